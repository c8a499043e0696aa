"""The benchmark runs from end to end, on a tiny fleet, and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parent.parent.parent
# Handed down to whatever the run starts.
MARK = "SIMWATCH_TEST_MARK"
GRACE_SECONDS = 15


class Run:
    """A run of the benchmark, with a folder of its own for what is temporary."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.mark = folder, uuid4().hex
        self.servers: set[Path] = set()
        self.process = subprocess.Popen(
            (sys.executable, "manage.py", *arguments),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder), MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def watch(self, seconds: float, *, until_service: str = "") -> None:
        """Until it has ended, or runs that service. Where its servers keep their data is noted."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self.servers |= {link.resolve() for link in self.folder.glob("*/servers")}
            if until_service and list(self.folder.glob(f"*/pids/{until_service}")):
                return
            time.sleep(0.05)

    def processes(self) -> Iterator[str]:
        """What it has started and still runs."""
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdecimal() and self.mark.encode() in (folder / "environ").read_bytes():
                    yield (folder / "cmdline").read_text()

    def assert_nothing_is_left(self) -> None:
        # One that was just being started when the signal came ends by itself: its servers are gone.
        deadline = time.monotonic() + GRACE_SECONDS
        while list(self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert list(self.processes()) == []
        assert list(self.folder.iterdir()) == []
        assert self.servers
        assert [folder for folder in self.servers if folder.exists()] == []


def started(folder: Path, arguments: Sequence[str]) -> Run:
    return Run(folder, *arguments)


def test_a_quick_run_finds_the_engine_faster_than_a_task_a_card_and_leaves_nothing(tmp_path: Path) -> None:
    run = started(tmp_path, ["benchmark", "--quick", "--json", "--cards", "6000"])
    # More than the pipe holds is not printed.
    run.watch(280)

    found = json.loads(run.process.communicate()[0])
    print(found)
    assert run.process.returncode == 0
    assert found["baseline_ratio"] > 1
    assert found["first_check_seconds"] is not None
    assert set(found["cpu_seconds_per_1000"]) == {"workers", "postgresql", "valkey", "simulator"}
    assert found["manual_p99_seconds"] is None
    assert "manual_p99_seconds" in found["not_measured"]
    run.assert_nothing_is_left()


def test_the_api_is_asked_about_everything_that_is_promised_and_nothing_is_left(tmp_path: Path) -> None:
    run = started(tmp_path, ["benchmark_api", "--cards", "3000", "--rounds", "2"])
    run.watch(280)

    printed = run.process.communicate()[0]
    rows = [line.split("|")[1:-1] for line in printed.splitlines()[2:]]
    rows = [[cell.strip() for cell in row] for row in rows]
    print(printed)
    assert run.process.returncode == 0
    asked = [(who, request.partition(",")[0]) for who, request, *_ in rows]
    for promised in ("GET polling-stats", "GET polling-configs", "GET carriers"):
        assert ("administrator", promised) in asked
    for who in ("administrator", "small agent"):
        assert (who, "POST polling-manual-trigger/batch") in asked
        assert (who, "POST polling-manual-trigger/by-condition") in asked
        assert (who, "GET polling-manual-trigger/status") in asked
    assert "1,000 cards" in printed
    assert all(0 < float(p50) <= float(p95) for _, _, p50, p95, *_ in rows)
    judged = {request.partition(",")[0] for _, request, *_, must, verdict in rows if must and verdict}
    assert {"GET polling-stats/queues", "GET polling-configs", "POST polling-manual-trigger/batch"} <= judged
    run.assert_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    run = started(tmp_path, ["benchmark", "--quick", "--cards", "100"])
    run.watch(60, until_service="simulator")

    run.process.send_signal(number)
    run.watch(20)

    out, told = run.process.communicate()
    assert out == ""
    assert "interrupted" in told
    assert run.process.returncode == 130
    run.assert_nothing_is_left()
