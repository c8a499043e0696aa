"""With two or five beats, no card is polled twice. Without beat, `/readyz` answers 503."""

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
    assert_stored_values_match_carriers,
    count_wanted,
    invariant_holds,
    polled_since,
)

pytestmark = pytest.mark.faults(seconds=100)


def test_several_beats_poll_no_card_twice(stack: Stack) -> None:
    beat = processes.beat(stack.variables)
    extra_beats = [Service(f"beat-{number}", beat.command, beat.environment) for number in range(1, 5)]
    try:
        for added in (extra_beats[:1], extra_beats[1:]):
            for extra in added:
                stack.supervisor.start(extra)
            due_at = datetime.now(UTC)
            stack.make_all_due()
            stack.wait_until(partial(all_are_polled, stack, due_at), seconds=60, what="every card is polled")
            time.sleep(5)

            polled = Counter(iccid for call in stack.calls_since(due_at) for iccid in call["cards"])
            assert set(polled.values()) == {1}
    finally:
        stack.stop(*(extra.name for extra in extra_beats))
    assert invariant_holds(stack)
    assert_stored_values_match_carriers(stack)


def all_are_polled(stack: Stack, since: datetime) -> bool:
    return len(polled_since(stack, since)) == count_wanted(stack)


def test_without_beat_nothing_is_polled_and_readiness_fails(stack: Stack) -> None:
    site = stack.start_web()

    stack.stop("beat")
    try:
        stack.wait_until(lambda: readiness(site) == 503, seconds=60, what="/readyz answers 503")
        due_at = datetime.now(UTC)
        stack.make_all_due()
        stack.wait(5)
        assert not polled_since(stack, due_at)
    finally:
        stack.supervisor.start(processes.beat(stack.variables))
    stack.wait_until(partial(all_are_polled, stack, due_at), seconds=60, what="every card is polled")
    assert readiness(site) == 200


def readiness(site: str) -> int:
    return requests.get(f"{site}/readyz", timeout=10).status_code
