"""Two and five beats: everything that ticks is harmless twice. None: nothing is checked, and readiness says so."""

import time
from collections import Counter

import pytest
import requests

from config.local import processes
from config.local.supervisor import Service
from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import assert_stored_values_are_the_carriers, law_holds, wanting

pytestmark = pytest.mark.faults


def test_no_card_is_asked_about_twice(make_stack: MakeStack) -> None:
    stack = make_stack(300, POLLING_SEED_RAMP_SECONDS="3")
    stack.start_engine(with_background=True)
    beat = processes.beat(stack.variables)
    started = 1
    for rounds, beats in enumerate((2, 5), start=1):
        for number in range(started, beats):
            stack.supervisor.start(Service(f"beat-{number}", beat.command, beat.environment))
        started = beats
        stack.wait_until(lambda: fewest_calls(stack) == rounds, seconds=60, what=f"{beats} beats: all read")  # noqa: B023
        time.sleep(5)

        asked = Counter(iccid for call in stack.simulator.calls() for iccid in call["cards"])
        assert set(asked.values()) == {rounds}
        stack.make_all_due()

    assert law_holds(stack)
    assert_stored_values_are_the_carriers(stack)


def fewest_calls(stack: Stack) -> int:
    """How often the card was asked about that was asked about least."""
    asked = Counter(iccid for call in stack.simulator.calls() for iccid in call["cards"])
    return min(asked.values()) if len(asked) == wanting(stack) else 0


def test_without_beat_nothing_is_checked_until_it_is_back_and_readiness_says_so(
    make_stack: MakeStack,
) -> None:
    stack = make_stack(300, POLLING_SEED_RAMP_SECONDS="3")
    site = stack.start_web()
    stack.start_engine(with_background=True)
    stack.wait_until(lambda: fewest_calls(stack) == 1, seconds=60, what="all read")

    stack.stop("beat")
    stack.wait_until(lambda: readiness(site) == 503, seconds=60, what="readiness says so")
    stack.make_all_due()
    stack.let_pass(5)
    assert fewest_calls(stack) == 1

    stack.supervisor.start(processes.beat(stack.variables))
    stack.wait_until(lambda: fewest_calls(stack) == 2, seconds=60, what="all read again")
    assert readiness(site) == 200


def readiness(site: str) -> int:
    return requests.get(f"{site}/readyz", timeout=10).status_code
