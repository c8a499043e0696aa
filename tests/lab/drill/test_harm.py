"""What a drill does to a server really happens to it, and is undone."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lab.drill.harm import freeze


class OneServer:
    """A stack with one server, or with none that has been started again."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid

    def pid(self, name: str) -> int:
        if self._pid is None:
            raise FileNotFoundError(name)
        return self._pid


@pytest.fixture
def server() -> Iterator[int]:
    """A process with a child."""
    with subprocess.Popen(("sh", "-c", "sleep 60 & wait"), start_new_session=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (child := children.read_text().strip()):
            time.sleep(0.01)
        yield process.pid
        subprocess.run(("kill", "-9", child, str(process.pid)), check=True)


def states(pid: int) -> set[str]:
    """Of a process and its children; T: it stands still."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[0] for one in (pid, *children)}


def test_a_frozen_server_stands_still_with_its_children_until_it_is_woken(server: int) -> None:
    stack: Any = OneServer(server)
    blow = freeze("postgresql")

    assert blow.strike(stack, Random(1))
    time.sleep(0.1)
    assert states(server) == {"T"}

    blow.heal(stack)
    time.sleep(0.1)
    assert "T" not in states(server)


def test_a_server_that_is_not_there_is_not_struck() -> None:
    stack: Any = OneServer(None)

    assert not freeze("postgresql").strike(stack, Random(1))
