"""Two and five beats: everything that ticks is harmless twice."""

import time
from collections import Counter

import pytest

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
