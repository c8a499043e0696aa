"""After an hour with everything down, each card gets one check, and no gateway exceeds its limit."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from lab.drill.call_log import max_at_one_gateway
from polling.schedule import keys
from polling.schedule.limits import slots_of
from tests.faults.conftest import MakeStack, Stack, data_usage_every
from tests.support.faults.judge import CHECK_TYPE, invariant_holds, polled_since

pytestmark = pytest.mark.faults
CARDS, SLOTS, GATEWAY_SLOTS = 400, 6, 3
HOUR = 3600
INTERVAL = 60


def move_back_an_hour(stack: Stack) -> None:
    """Move every due time an hour into the past, as if everything had been down for an hour."""
    for card in stack.scheduled():
        stack.redis.zincrby(keys.queue(CHECK_TYPE), -HOUR, str(card))


def test_each_card_is_polled_once_after_an_hour_of_downtime(make_stack: MakeStack) -> None:
    stack = make_stack(
        CARDS,
        data_usage_every(INTERVAL),
        f"UPDATE carriers_gateway SET batch_size = 5, max_concurrency = {GATEWAY_SLOTS}",
        f"UPDATE polling_concurrencylimit SET max_concurrency = {SLOTS}",
        POLLING_SEED_RAMP_SECONDS="0",
    )
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=300)
    overdue = stack.scheduled()
    move_back_an_hour(stack)
    assert stack.redis.zcount(keys.queue(CHECK_TYPE), "-inf", stack.redis.time()[0] - HOUR + INTERVAL) == len(
        overdue
    )

    started_at = datetime.now(UTC)
    stack.start_engine()
    stack.wait_until(
        lambda: len(polled_since(stack, started_at)) == len(overdue), seconds=90, what="every card is polled"
    )
    stack.wait(5)

    calls = stack.calls_since(started_at)
    # After a full interval, cards would be due a second time, and the counts below would be wrong.
    took = (datetime.now(UTC) - datetime.fromisoformat(calls[0]["start"])).total_seconds()
    assert took < INTERVAL * 0.9
    polled = Counter(iccid for call in calls for iccid in call["cards"])
    assert set(polled.values()) == {1}
    max_calls = max_at_one_gateway(calls)
    print(
        f"\n{len(overdue)} cards overdue, {sum(polled.values())} polled in {took:.0f} s; "
        f"at most {max_calls} calls at once at one gateway"
    )
    assert max_calls <= GATEWAY_SLOTS
    assert max(call["in_flight"] for call in calls) <= SLOTS
    assert slots_of(stack.redis, CHECK_TYPE).occupancy().limit == SLOTS
    assert invariant_holds(stack)
