"""`Stack.running` runs a process only as long as a block of code runs."""

import subprocess
from pathlib import Path

import pytest

from lab.stack.stack import Stack, StackError


class BareStack(Stack):
    """A stack without servers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.variables = folder, {"GREETING": "hello"}
        (folder / "logs").mkdir()


def test_running_process_gets_the_settings_and_logs(tmp_path: Path) -> None:
    stack = BareStack(tmp_path)

    with stack.running("greeter", "-c", "import os; print(os.environ['GREETING'])") as process:
        process.wait(20)

    assert stack.log("greeter") == "hello\n"


def test_running_process_is_killed_if_the_block_ends_first(tmp_path: Path) -> None:
    with BareStack(tmp_path).running("sleeper", "-c", "import time; time.sleep(60)") as process:
        assert process.poll() is None

    assert process.returncode == -9


def test_running_process_is_killed_if_the_block_fails(tmp_path: Path) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    with (
        pytest.raises(KeyboardInterrupt),
        BareStack(tmp_path).running("sleeper", "-c", "import time; time.sleep(60)") as process,
    ):
        processes.append(process)
        raise KeyboardInterrupt

    assert processes[0].returncode == -9


def test_failure_of_a_running_process_is_an_error_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(StackError, match="no such card"),
        BareStack(tmp_path).running("failing", "-c", "raise SystemExit('no such card')") as process,
    ):
        process.wait(20)
