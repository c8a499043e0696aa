"""Two and five beats: everything that ticks is harmless twice."""

import time

import pytest

from config.local import processes
from config.local.supervisor import Service
from tests.faults.conftest import MakeStack
from tests.faults.judge import assert_stored_values_are_the_carriers, checked, law_holds, wanting

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("beats", [2, 5])
def test_no_card_is_asked_about_twice(make_stack: MakeStack, beats: int) -> None:
    stack = make_stack(300, POLLING_SEED_RAMP_SECONDS="3")
    stack.start_engine(with_background=True)
    beat = processes.beat(stack.variables)
    for number in range(1, beats):
        stack.supervisor.start(Service(f"beat-{number}", beat.command, beat.environment))

    stack.wait_until(lambda: checked(stack) == wanting(stack), seconds=60, what="every card is read")
    time.sleep(5)

    asked = [iccid for call in stack.simulator.calls() for iccid in call["cards"]]
    assert len(asked) == len(set(asked)) == wanting(stack)
    assert law_holds(stack)
    assert_stored_values_are_the_carriers(stack)
