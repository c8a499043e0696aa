"""`doctor` names every fault in docs/operations.md, and the documented steps fix each fault."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import MakeStack, Stack
from tests.support.e2e.run_book_faults import ENDING, GROUPS, SETTINGS, Fault

pytestmark = [pytest.mark.processes, pytest.mark.long_form]
MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
CARDS = 300


def doctor(stack: Stack) -> tuple[int, str]:
    """Run `doctor` and return its exit code and its output."""
    done = subprocess.run(
        (sys.executable, "manage.py", "doctor"),
        env={**os.environ, **stack.variables}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def titles() -> Iterator[str]:
    faults = MANUAL.read_text().partition("\n## Faults\n")[2].partition("\n## ")[0]
    yield from re.findall(r"^### (.+)$", faults, re.MULTILINE)


def test_every_fault_of_the_manual_is_covered() -> None:
    assert sorted(titles()) == sorted(fault.title for group in GROUPS for fault in group)


@pytest.mark.parametrize(
    "group",
    # Without `--long`, only the group SETTINGS is tested.
    [
        pytest.param(group, marks=() if group is SETTINGS else pytest.mark.only_long, id=group[0].title)
        for group in GROUPS
    ],
)
def test_doctor_names_each_fault_and_passes_once_it_is_mended(
    make_stack: MakeStack, group: Sequence[Fault]
) -> None:
    stack = make_stack(CARDS, real_names=True, POLLING_SEED_RAMP_SECONDS="0")
    stack.start_engine(with_background=True)

    def is_healthy() -> bool:
        # Don't run the command in a tight loop, because starting it is expensive.
        time.sleep(1)
        code, output = doctor(stack)
        notes = [line for line in output.splitlines() if line.startswith("note") and "lateness" not in line]
        return code == 0 and not notes

    stack.wait_until(is_healthy, seconds=150, what="the doctor finds nothing")
    provoke_and_mend(stack, group, is_healthy)


def provoke_and_mend(stack: Stack, group: Sequence[Fault], is_healthy: Callable[[], bool]) -> None:
    for fault in group:
        fault.provoke(stack)
    # Give `doctor` time, because limits are published only every 10 s, and ticks are stale only after 10 s.
    deadline, missing = datetime.now(UTC) + timedelta(seconds=75), list(group)
    output = ""
    while missing and datetime.now(UTC) < deadline:
        time.sleep(1)
        code, output = doctor(stack)
        missing = [fault for fault in missing if fault.says not in output]
        assert code == (2 if group in ENDING else 1) or missing
    assert [fault.title for fault in missing] == [], output
    for fault in group:
        fault.mend(stack)
    stack.wait_until(is_healthy, seconds=150, what=f"fixed: {[fault.title for fault in group]}")
