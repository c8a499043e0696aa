"""Two and five beats: everything that ticks is harmless twice. None: nothing is checked, and readiness says so."""

import time
from collections import Counter
from functools import partial

import pytest
import requests

from config.local import processes
from config.local.supervisor import Service
from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import assert_stored_values_are_the_carriers, law_holds, wanting

pytestmark = pytest.mark.faults(seconds=100)


@pytest.fixture(scope="module")
def stack(make_shared_stack: MakeStack) -> Stack:
    made = make_shared_stack(300, POLLING_SEED_RAMP_SECONDS="3")
    made.start_engine(with_background=True)
    made.wait_until(lambda: fewest_calls(made) == 1, seconds=60, what="all read")
    return made


def test_no_card_is_asked_about_twice(stack: Stack) -> None:
    beat = processes.beat(stack.variables)
    others = [Service(f"beat-{number}", beat.command, beat.environment) for number in range(1, 5)]
    for added in (others[:1], others[1:]):
        for other in added:
            stack.supervisor.start(other)
        rounds = fewest_calls(stack) + 1
        stack.make_all_due()
        stack.wait_until(partial(has_read_all, stack, rounds), seconds=60, what="all read once more")
        time.sleep(5)

        asked = Counter(iccid for call in stack.calls() for iccid in call["cards"])
        assert set(asked.values()) == {rounds}

    stack.stop(*(other.name for other in others))
    assert law_holds(stack)
    assert_stored_values_are_the_carriers(stack)


def has_read_all(stack: Stack, rounds: int) -> bool:
    return fewest_calls(stack) == rounds


def fewest_calls(stack: Stack) -> int:
    """How often the card was asked about that was asked about least."""
    asked = Counter(iccid for call in stack.calls() for iccid in call["cards"])
    return min(asked.values()) if len(asked) == wanting(stack) else 0


def test_without_beat_nothing_is_checked_until_it_is_back_and_readiness_says_so(stack: Stack) -> None:
    site, rounds = stack.start_web(), fewest_calls(stack)

    stack.stop("beat")
    stack.wait_until(lambda: readiness(site) == 503, seconds=60, what="readiness says so")
    stack.make_all_due()
    stack.let_pass(5)
    assert fewest_calls(stack) == rounds

    stack.supervisor.start(processes.beat(stack.variables))
    stack.wait_until(lambda: fewest_calls(stack) > rounds, seconds=60, what="all read again")
    assert readiness(site) == 200


def readiness(site: str) -> int:
    return requests.get(f"{site}/readyz", timeout=10).status_code
