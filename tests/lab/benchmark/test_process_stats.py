"""The measured CPU time and memory of real processes and of their children."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from lab.benchmark.process_stats import children_of, cpu_seconds, family, resident_mb

pytestmark = pytest.mark.processes(seconds=3)

BUSY = "import time\nends = time.process_time() + {seconds}\nwhile time.process_time() < ends: pass\n"
# A script whose child is busy, ends and is reaped. Then the script prints a line and keeps running.
WITH_ENDED_CHILD = """
import subprocess, sys, time
subprocess.run((sys.executable, "-c", {busy!r}), check=True)
print("reaped", flush=True)
time.sleep(60)
"""
# A script with a child and a grandchild, which both sleep.
THREE_GENERATIONS = """
import subprocess, sys, time
child = "import subprocess, time; subprocess.Popen(('sleep', '60')); time.sleep(60)"
subprocess.Popen((sys.executable, "-c", child))
time.sleep(60)
"""
BIG = "import time; block = b'x' * 60_000_000; print('made', flush=True); time.sleep(60)"
Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that runs a Python script. All processes are killed after the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(script: str) -> subprocess.Popen[str]:
        process = subprocess.Popen((sys.executable, "-c", script), stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        for member in family([process.pid]):
            member.kill()
        process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_cpu_time_of_an_ended_child_counts(start: Start) -> None:
    process = start(WITH_ENDED_CHILD.format(busy=BUSY.format(seconds=0.5)))

    assert first_line(process) == "reaped"

    spent = cpu_seconds({"parent": [process.pid]})
    assert 0.5 <= spent["parent"] < 5


def test_cpu_time_of_a_running_child_counts_for_its_group_only(start: Start) -> None:
    busy = f"import subprocess, sys; subprocess.run((sys.executable, '-c', {BUSY.format(seconds=30)!r}))"
    worker, idle = start(busy), start("import time; time.sleep(60)")
    wait_until(lambda: children_of(worker.pid))
    before = cpu_seconds({"worker": [worker.pid], "idle": [idle.pid]})

    wait_until(lambda: cpu_seconds({"worker": [worker.pid]})["worker"] > before["worker"] + 0.2)

    after = cpu_seconds({"worker": [worker.pid], "idle": [idle.pid]})
    assert after["worker"] - before["worker"] > 0.2
    assert after["idle"] < 2


def test_family_holds_all_descendants_and_no_other_process(start: Start) -> None:
    process, stranger = start(THREE_GENERATIONS), start("import time; time.sleep(60)")
    wait_until(lambda: len(family([process.pid])) == 3)

    pids = {member.pid for member in family([process.pid])}

    (child,) = children_of(process.pid)
    assert pids == {process.pid, child, *children_of(child)}
    assert len(family([process.pid, child])) == 3
    assert stranger.pid not in pids


def test_memory_of_a_process_is_in_megabytes(start: Start) -> None:
    small, big = start("print('made', flush=True); import time; time.sleep(60)"), start(BIG)
    assert (first_line(small), first_line(big)) == ("made", "made")

    assert resident_mb(big.pid) - resident_mb(small.pid) == pytest.approx(60, abs=6)


def test_ended_process_has_no_time_no_memory_and_no_children(start: Start) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert cpu_seconds({"ended": [ended.pid], "none": []}) == {"ended": 0.0, "none": 0.0}
    assert resident_mb(ended.pid) == 0.0
    assert children_of(ended.pid) == []
