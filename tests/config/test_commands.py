"""Commands refuse wrong arguments in one line that names the argument."""

import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from redis import Redis

from tests.factories import UserFactory

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("create_api_token", "ann", "--name", "x" * 200), "--name: .*100 characters"),
        (("create_api_token", "ann", "--name", ""), "--name: .*blank"),
        (("create_api_token", "ann", "--days", "-1"), "--days must be 0"),
        (("create_api_token", "ann", "--days", "ten"), "--days: invalid int value"),
        (("create_api_token", "bob"), "no user 'bob'"),
        (("gateway_simulator", "--port", "99999"), "--port: invalid port value: '99999'"),
        (("gateway_simulator", "--port", "0"), "--port: invalid port value"),
        (("gateway_simulator", "--port", "http"), "--port: invalid port value"),
        (("polling_top", "--every", "nan"), "--every must be"),
        (("polling_top", "--every", "inf"), "--every must be"),
        (("polling_top", "--every", "-1"), "--every must be"),
        (("release_parked",), "give the ICCIDs"),
    ],
)
def test_wrong_argument_is_named(redis: Redis, arguments: tuple[str, ...], named: str) -> None:
    UserFactory.create(username="ann")

    with pytest.raises(CommandError, match=named):
        call_command(*arguments)


@pytest.mark.processes(seconds=2)
@pytest.mark.parametrize("arguments", [("--foo",), ("--audit", "now"), ("",)])
def test_check_refuses_unknown_arguments(arguments: tuple[str, ...]) -> None:
    done = subprocess.run((ROOT / "bin/check", *arguments), capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "takes no argument but --audit" in done.stderr
