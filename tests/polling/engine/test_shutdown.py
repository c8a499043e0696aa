"""Only a worker's own process can end its drains. A child that it forks cannot."""

import subprocess
import sys

import pytest

_SCRIPT = """
import os, sys
from celery.signals import worker_shutting_down
from polling.engine import shutdown

if sys.argv[1] == "child":
    child = os.fork()
    if child == 0:
        worker_shutting_down.send(sender="checks")
        os._exit(0)
    os.waitpid(child, 0)
else:
    worker_shutting_down.send(sender="checks")
print(shutdown.is_wanted())
"""


@pytest.mark.parametrize(("process", "ends_drains"), [("worker", True), ("child", False)])
def test_forked_child_does_not_stop_its_siblings(process: str, ends_drains: bool) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", _SCRIPT, process], capture_output=True, text=True, check=True
    )

    assert completed.stdout == f"{ends_drains}\n"
