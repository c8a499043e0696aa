"""PostgreSQL is away for longer than claims last: nobody is to blame, so nobody has lost a claim."""

import time

import pytest

from polling.schedule import keys
from tests.faults.conftest import MakeStack
from tests.support.faults.judge import TYPE, checked, claimed, invariant_holds, wanting

pytestmark = pytest.mark.faults
CLAIM_SECONDS = 12
AWAY_SECONDS = 1.5 * CLAIM_SECONDS


def test_no_card_is_suspected_or_parked(make_stack: MakeStack) -> None:
    stack = make_stack(
        300,
        "UPDATE carriers_gateway SET batch_size = 5",
        POLLING_SEED_RAMP_SECONDS="0",
        POLLING_DRAIN_SECONDS="1",
        POLLING_CLAIM_SECONDS=str(CLAIM_SECONDS),
    )
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=500)
    stack.start_engine()
    stack.wait_until(lambda: len(claimed(stack)) > 20, seconds=60, what="a worker is busy")

    stack.kill("postgresql")
    # Nobody starts it again meanwhile: the supervisor acts when it is asked to.
    time.sleep(AWAY_SECONDS)
    lost = stack.redis.exists(keys.lost(TYPE), keys.suspects(TYPE), keys.parked(TYPE))

    assert lost == 0
    stack.wait_until(lambda: stack.answers("postgresql"), seconds=20, what="PostgreSQL answers")
    stack.wait_until(lambda: checked(stack) == wanting(stack), seconds=60, what="every card is read")
    assert stack.redis.exists(keys.lost(TYPE), keys.suspects(TYPE), keys.parked(TYPE)) == 0
    assert invariant_holds(stack)
