import os
import subprocess
import sys
from dataclasses import replace

import pytest

from config.production_guard import Exposure, first_problem

pytestmark = pytest.mark.processes(seconds=16)

SAFE = Exposure(
    debug=False,
    secret_key="k7Qm2xV9pLw4Zr8Tn3Yb6Hd1Fs5Jg0AcEuIoXqWvBzMyNtRhKfDlP",
    encryption_key_count=1,
    allowed_hosts=("simwatch.example",),
    database_url="postgresql://db/simwatch",
    redis_url="redis://redis/0",
    flower_password="a good one",
)


def test_production_accepts_safe_values() -> None:
    assert first_problem(SAFE) is None


@pytest.mark.parametrize(
    ("unsafe", "named"),
    [
        ({"debug": True}, "DEBUG"),
        ({"secret_key": ""}, "SECRET_KEY is missing"),
        ({"secret_key": "django-insecure-" + SAFE.secret_key}, "SECRET_KEY is a default"),
        ({"secret_key": "local-" + SAFE.secret_key}, "SECRET_KEY is a default"),
        ({"secret_key": SAFE.secret_key[:49]}, "SECRET_KEY is too weak"),
        ({"secret_key": "ab" * 40}, "SECRET_KEY is too weak"),
        ({"encryption_key_count": 0}, "ENCRYPTION_KEYS"),
        ({"allowed_hosts": ()}, "ALLOWED_HOSTS is missing"),
        ({"allowed_hosts": ("simwatch.example", "*")}, "ALLOWED_HOSTS must not be *"),
        ({"database_url": ""}, "DATABASE_URL"),
        ({"redis_url": ""}, "REDIS_URL"),
        ({"flower_password": ""}, "FLOWER_PASSWORD"),
    ],
)
def test_production_refuses_unsafe_value_and_names_the_setting(unsafe: dict[str, object], named: str) -> None:
    problem = first_problem(replace(SAFE, **unsafe))  # type: ignore[arg-type]

    assert problem is not None
    assert problem.startswith(named)


@pytest.mark.parametrize(
    "arguments",
    [("manage.py", "check"), ("-m", "celery", "-A", "config.celery", "report"), ("-c", "import config.wsgi")],
    ids=["manage.py", "celery", "wsgi"],
)
def test_every_entry_point_refuses_missing_key_in_one_line(arguments: tuple[str, ...]) -> None:
    environment = {**os.environ, "SIMWATCH_MODE": "production", "SECRET_KEY": ""}

    done = subprocess.run(
        (sys.executable, *arguments), env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 1
    assert done.stderr.strip() == "simwatch: SECRET_KEY is missing"


def test_unknown_mode_is_refused() -> None:
    environment = {**os.environ, "SIMWATCH_MODE": "staging"}

    done = subprocess.run(
        (sys.executable, "manage.py", "check"), env=environment, capture_output=True, text=True, check=False
    )

    assert done.stderr.strip() == "simwatch: SIMWATCH_MODE must be local or production, not 'staging'"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"POLLING_BATCH_CARDS": "many"}, "POLLING_BATCH_CARDS must be a whole number"),
        ({"GATEWAY_ALLOWED_NETWORKS": "10.0.0.1/8"}, "GATEWAY_ALLOWED_NETWORKS must be a list of networks"),
        ({"DATABASE_URL": "postgresql://a:se/cret@h/x"}, "DATABASE_URL must be a URL"),
        ({"DATABASE_URL": "garbage"}, "DATABASE_URL must be a URL"),
        ({"REDIS_URL": "garbage"}, "REDIS_URL must be a URL"),
        ({"REDIS_URL": "redis://127.0.0.1:abc/0"}, "REDIS_URL must be a URL"),
        ({"DEBUG": "perhaps"}, "DEBUG must be true or false"),
        ({"ENCRYPTION_KEYS": ""}, "ENCRYPTION_KEYS is missing"),
        (
            {"ENCRYPTION_KEYS": "k:c2VjcmV0"},
            "ENCRYPTION_KEYS: key 1 must have the form id:base64 with 32 bytes",
        ),
    ],
)
def test_invalid_setting_is_named_in_one_line_and_never_quoted(changed: dict[str, str], message: str) -> None:
    done = subprocess.run(
        (sys.executable, "manage.py", "check"),
        env={**os.environ, **changed},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"simwatch: {message}")
    assert done.stderr.count("\n") == 1
    assert "cret" not in done.stderr.replace("secret", "")
