"""Workers and beat that cannot reach a server log clear lines, without a traceback or the password."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.stack import processes
from lab.stack.servers import free_port
from tests.faults.conftest import Stack, stack_factory

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_factory(tmp_path_factory.mktemp("stack")) as make:
        yield make(10)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("DATABASE_URL", "PostgreSQL does not answer"),
        ("REDIS_URL", "Redis does not answer"),
        ("CELERY_BROKER_URL", "Cannot connect to redis"),
    ],
)
def test_unreachable_server_is_logged_clearly(stack: Stack, changed: str, message: str) -> None:
    url = stack.variables[changed]
    host = url.rpartition("@")[2].partition("/")[0]
    wrong = url.replace(host, f"127.0.0.1:{free_port()}")
    variables = {**stack.variables, changed: wrong}
    services = [
        replace(service, name=f"{service.name}-{changed}")
        for service in (
            make(variables) for make in (processes.checks_worker, processes.ticks_worker, processes.beat)
        )
    ]
    for service in services:
        stack.supervisor.start(service)

    def all_logs() -> str:
        return "".join(stack.log(service.name) for service in services)

    stack.wait_until(lambda: message in all_logs(), seconds=40, what=message)

    log = all_logs()
    stack.stop(*(service.name for service in services))
    assert "Traceback" not in log
    secret = url.partition("://")[2].partition("@")[0].rpartition(":")[2]
    assert secret not in log
