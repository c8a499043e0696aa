"""A worker or beat whose server is away: clear lines, no traceback, and it goes on trying."""

import pytest

from config.local import processes
from config.local.servers import free_port
from tests.faults.conftest import MakeStack

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("DATABASE_URL", "PostgreSQL does not answer"),
        ("REDIS_URL", "Redis does not answer"),
        ("CELERY_BROKER_URL", "Cannot connect to redis"),
    ],
)
def test_an_unreachable_server_is_told_in_clear_lines_without_a_traceback(
    make_stack: MakeStack, changed: str, told: str
) -> None:
    stack = make_stack(10)
    url = stack.variables[changed]
    host = url.rpartition("@")[2].partition("/")[0]
    wrong = url.replace(host, f"127.0.0.1:{free_port()}")
    variables = {**stack.variables, changed: wrong}
    for make in (processes.checks_worker, processes.ticks_worker, processes.beat):
        stack.supervisor.start(make(variables))

    def all_logs() -> str:
        return "".join(log.read_text() for log in (stack.folder / "logs").iterdir())

    stack.wait_until(lambda: told in all_logs(), seconds=40, what=told)

    log = all_logs()
    assert "Traceback" not in log
    secret = url.partition("://")[2].partition("@")[0].rpartition(":")[2]
    assert secret not in log
