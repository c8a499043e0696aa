"""Who is heard when drains are to end."""

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


@pytest.mark.parametrize(("who", "is_heard"), [("worker", True), ("child", False)])
def test_a_child_that_still_has_the_signal_handlers_of_its_parent_does_not_stop_its_siblings(
    who: str, is_heard: bool
) -> None:
    told = subprocess.run([sys.executable, "-c", _SCRIPT, who], capture_output=True, text=True, check=True)
    assert told.stdout == f"{is_heard}\n"
