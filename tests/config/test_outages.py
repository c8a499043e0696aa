"""A command that cannot reach a server prints one line for the operator."""

import os
import subprocess
import sys

import pytest

from lab.stack.servers import free_port

pytestmark = pytest.mark.processes(seconds=4)


@pytest.mark.parametrize(
    ("variable", "url", "command", "message"),
    [
        (
            "DATABASE_URL",
            "postgresql://a:secret@127.0.0.1:{port}/x",
            ["migrate"],
            "PostgreSQL does not answer",
        ),
        ("REDIS_URL", "redis://:secret@127.0.0.1:{port}/0", ["init_polling"], "Redis does not answer"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_command_reports_an_outage_in_one_line_without_password(
    variable: str, url: str, command: list[str], message: str
) -> None:
    from django.db import connection

    test_database = os.environ["DATABASE_URL"].replace("/postgres", f"/{connection.settings_dict['NAME']}")
    environment = {**os.environ, "DATABASE_URL": test_database, variable: url.format(port=free_port())}

    done = subprocess.run(
        (sys.executable, "manage.py", *command), env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert "secret" not in done.stderr
