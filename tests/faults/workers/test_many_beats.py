"""Two and five beats: everything that ticks is harmless twice. None: nothing is checked, and readiness says so."""

import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial

import pytest
import requests

from lab.stack import processes
from lab.stack.supervisor import Service
from tests.faults.conftest import Stack
from tests.support.faults.judge import (
    asked_since,
    assert_stored_values_are_the_carriers,
    invariant_holds,
    wanting,
)

pytestmark = pytest.mark.faults(seconds=100)


def test_no_card_is_asked_about_twice(stack: Stack) -> None:
    beat = processes.beat(stack.variables)
    others = [Service(f"beat-{number}", beat.command, beat.environment) for number in range(1, 5)]
    try:
        for added in (others[:1], others[1:]):
            for other in added:
                stack.supervisor.start(other)
            due_at = datetime.now(UTC)
            stack.make_all_due()
            stack.wait_until(partial(all_are_asked, stack, due_at), seconds=60, what="all read once more")
            time.sleep(5)

            asked = Counter(iccid for call in stack.calls_since(due_at) for iccid in call["cards"])
            assert set(asked.values()) == {1}
    finally:
        stack.stop(*(other.name for other in others))
    assert invariant_holds(stack)
    assert_stored_values_are_the_carriers(stack)


def all_are_asked(stack: Stack, since: datetime) -> bool:
    return len(asked_since(stack, since)) == wanting(stack)


def test_without_beat_nothing_is_checked_until_it_is_back_and_readiness_says_so(stack: Stack) -> None:
    site = stack.start_web()

    stack.stop("beat")
    try:
        stack.wait_until(lambda: readiness(site) == 503, seconds=60, what="readiness says so")
        due_at = datetime.now(UTC)
        stack.make_all_due()
        stack.let_pass(5)
        assert not asked_since(stack, due_at)
    finally:
        stack.supervisor.start(processes.beat(stack.variables))
    stack.wait_until(partial(all_are_asked, stack, due_at), seconds=60, what="all read again")
    assert readiness(site) == 200


def readiness(site: str) -> int:
    return requests.get(f"{site}/readyz", timeout=10).status_code
