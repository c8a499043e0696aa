"""PostgreSQL is down for longer than a claim lasts. No card caused this, so no claim counts as lost."""

import time

import pytest

from polling.schedule import keys
from tests.faults.conftest import MakeStack
from tests.support.faults.judge import (
    CHECK_TYPE,
    claimed_iccids,
    count_checked,
    count_wanted,
    invariant_holds,
)

pytestmark = pytest.mark.faults
CLAIM_SECONDS = 12
DOWN_SECONDS = 1.5 * CLAIM_SECONDS


def test_long_outage_makes_no_card_a_suspect(make_stack: MakeStack) -> None:
    stack = make_stack(
        300,
        "UPDATE carriers_gateway SET batch_size = 5",
        POLLING_SEED_RAMP_SECONDS="0",
        POLLING_DRAIN_SECONDS="1",
        POLLING_CLAIM_SECONDS=str(CLAIM_SECONDS),
    )
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=500)
    stack.start_engine()
    stack.wait_until(lambda: len(claimed_iccids(stack)) > 20, seconds=60, what="a worker is busy")

    stack.kill("postgresql")
    # PostgreSQL stays down, because the supervisor restarts it only when `wait_until` asks it to check.
    time.sleep(DOWN_SECONDS)
    lost = stack.redis.exists(keys.lost(CHECK_TYPE), keys.suspects(CHECK_TYPE), keys.parked(CHECK_TYPE))

    assert lost == 0
    stack.wait_until(lambda: stack.answers("postgresql"), seconds=20, what="PostgreSQL answers")
    stack.wait_until(
        lambda: count_checked(stack) == count_wanted(stack), seconds=60, what="every card is read"
    )
    assert stack.redis.exists(keys.lost(CHECK_TYPE), keys.suspects(CHECK_TYPE), keys.parked(CHECK_TYPE)) == 0
    assert invariant_holds(stack)
