"""An injected freeze stops a server and its children until it is undone."""

import subprocess
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import psutil
import pytest

from lab.drill.injected_faults import freeze


class OneServer:
    """A stack with one server. The server is not running if `pid` is None."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid

    def pid(self, name: str) -> int:
        if self._pid is None:
            raise FileNotFoundError(name)
        return self._pid


@pytest.fixture
def server() -> Iterator[int]:
    """Run a process that has a child, and yield the id of the process."""
    with subprocess.Popen(("sh", "-c", "sleep 60 & wait"), start_new_session=True) as process:
        parent = psutil.Process(process.pid)
        while not (children := parent.children()):
            time.sleep(0.01)
        yield process.pid
        for member in (*children, parent):
            member.kill()


def states(pid: int) -> set[str]:
    """Return the states that psutil reports for a process and its children."""
    process = psutil.Process(pid)
    return {member.status() for member in (process, *process.children())}


def test_frozen_server_and_its_children_are_stopped_until_healed(server: int) -> None:
    stack: Any = OneServer(server)
    fault = freeze("postgresql")

    assert fault.inject(stack, Random(1))
    time.sleep(0.1)
    assert states(server) == {psutil.STATUS_STOPPED}

    fault.heal(stack)
    time.sleep(0.1)
    assert psutil.STATUS_STOPPED not in states(server)


def test_missing_server_cannot_be_frozen() -> None:
    stack: Any = OneServer(None)

    assert not freeze("postgresql").inject(stack, Random(1))
