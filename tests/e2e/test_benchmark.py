"""The benchmark commands work on a tiny fleet, and leave no process and no file behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parent.parent.parent
# All processes of a run inherit this environment variable, so that the test can find them.
MARK = "SIMWATCH_TEST_MARK"
GRACE_SECONDS = 15


class Run:
    """A running benchmark command, with its temporary files in `folder`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.mark = folder, uuid4().hex
        self.servers: set[Path] = set()
        self.process = subprocess.Popen(
            (sys.executable, "manage.py", *arguments),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder), MARK: self.mark, "PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def watch(self, seconds: float, *, until_service: str = "") -> None:
        """Wait until the run ends or the service starts. Record the data folders of the run's servers."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.stacks()
            self.servers |= {link.resolve() for link in self.folder.glob("*/servers")}
            if until_service and list(self.folder.glob(f"*/pids/{until_service}")):
                return
            time.sleep(0.05)

    def stacks(self) -> str:
        """End the run, and return its output and where each of its threads stood."""
        self.process.send_signal(signal.SIGABRT)
        return self.process.communicate()[1]

    def processes(self) -> Iterator[str]:
        """Yield the command lines of the run's processes that have not ended."""
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdecimal() and self.mark.encode() in (folder / "environ").read_bytes():
                    yield (folder / "cmdline").read_text()

    def assert_nothing_is_left(self) -> None:
        # Allow some time: a process that was only starting when the signal was sent does not end until it
        # notices that the servers are gone.
        deadline = time.monotonic() + GRACE_SECONDS
        while list(self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert list(self.processes()) == []
        assert list(self.folder.iterdir()) == []
        assert self.servers
        assert [folder for folder in self.servers if folder.exists()] == []


@pytest.mark.long_form
def test_quick_run_beats_the_baseline_and_leaves_nothing(tmp_path: Path, is_long: bool) -> None:
    smoke = ("--cards", "1000", "--seconds", "1")
    run = Run(tmp_path, "benchmark", "--quick", "--json", *(() if is_long else smoke))
    # The output can be read after the run has ended, because it fits into the buffer of the pipe.
    run.watch(280)

    found = json.loads(run.process.communicate()[0])
    print(found)
    assert run.process.returncode == 0
    # A second is short for the first check if other tests run at the same time.
    assert (found["first_check_seconds"] is None) == ("first_check_seconds" in found["not_measured"])
    if is_long:
        assert found["first_check_seconds"] is not None
        assert found["baseline_ratio"] > 1
        assert set(found["cpu_seconds_per_1000"]) == {"workers", "postgresql", "valkey", "simulator"}
    assert found["manual_p99_seconds"] is None
    assert "manual_p99_seconds" in found["not_measured"]
    run.assert_nothing_is_left()


@pytest.mark.long_form
def test_api_benchmark_measures_all_paths_and_leaves_nothing(tmp_path: Path, is_long: bool) -> None:
    cards, rounds = ("3000", "2") if is_long else ("1500", "1")
    run = Run(tmp_path, "benchmark_api", "--cards", cards, "--rounds", rounds)
    run.watch(280)

    printed = run.process.communicate()[0]
    rows = [line.split("|")[1:-1] for line in printed.splitlines()[2:]]
    rows = [[cell.strip() for cell in row] for row in rows]
    print(printed)
    assert run.process.returncode == 0
    measured = [(who, request.partition(",")[0]) for who, request, *_ in rows]
    for request in ("GET polling-stats", "GET polling-configs", "GET carriers"):
        assert ("administrator", request) in measured
    for who in ("administrator", "small agent"):
        assert (who, "POST polling-manual-trigger/batch") in measured
        assert (who, "POST polling-manual-trigger/by-condition") in measured
        assert (who, "GET polling-manual-trigger/status") in measured
    assert "1,000 cards" in printed
    assert all(0 < float(p50) <= float(p95) for _, _, p50, p95, *_ in rows)
    judged = {request.partition(",")[0] for _, request, *_, must, verdict in rows if must and verdict}
    assert {"GET polling-stats/queues", "GET polling-configs", "POST polling-manual-trigger/batch"} <= judged
    run.assert_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    run = Run(tmp_path, "benchmark", "--quick", "--cards", "100")
    run.watch(60, until_service="simulator")

    run.process.send_signal(number)
    run.watch(20)

    out, errors = run.process.communicate()
    assert out == ""
    assert "interrupted" in errors
    assert run.process.returncode == 130
    run.assert_nothing_is_left()
