"""Every fault of docs/operations.md, played: provoked, named by `doctor`, mended by its steps, and gone."""

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
from tests.support.e2e.run_book_faults import GROUPS, Fault

pytestmark = pytest.mark.processes
MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
CARDS = 300


def doctor(stack: Stack) -> tuple[int, str]:
    """Its exit code, and what it prints."""
    done = subprocess.run(
        (sys.executable, "manage.py", "doctor"),
        env={**os.environ, **stack.variables}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def titles() -> Iterator[str]:
    faults = MANUAL.read_text().partition("\n## Faults\n")[2].partition("\n## ")[0]
    yield from re.findall(r"^### (.+)$", faults, re.MULTILINE)


def test_every_fault_of_the_manual_is_played() -> None:
    assert sorted(titles()) == sorted(fault.title for group in GROUPS for fault in group)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0].title)
def test_the_doctor_names_each_fault_and_is_content_when_it_is_mended(
    make_stack: MakeStack, group: Sequence[Fault]
) -> None:
    stack = make_stack(CARDS, real_names=True, POLLING_SEED_RAMP_SECONDS="0")
    stack.start_engine(with_background=True)

    def is_content() -> bool:
        # Asking costs more than what it asks about.
        time.sleep(1)
        code, said = doctor(stack)
        notes = [line for line in said.splitlines() if line.startswith("note") and "lateness" not in line]
        return code == 0 and not notes

    stack.wait_until(is_content, seconds=150, what="the doctor is content")
    play(stack, group, is_content)


def play(stack: Stack, group: Sequence[Fault], is_content: Callable[[], bool]) -> None:
    for fault in group:
        fault.provoke(stack)
    # Limits are published every ten seconds, ticks are stale after ten.
    deadline, missing = datetime.now(UTC) + timedelta(seconds=75), list(group)
    said = ""
    while missing and datetime.now(UTC) < deadline:
        time.sleep(1)
        code, said = doctor(stack)
        missing = [fault for fault in missing if fault.says not in said]
        assert code == 1 or missing
    assert [fault.title for fault in missing] == [], said
    for fault in group:
        fault.mend(stack)
    stack.wait_until(is_content, seconds=150, what=f"mended: {[fault.title for fault in group]}")
