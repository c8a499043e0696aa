"""Everything has been down for an hour: what is owed is one check a card, and no gateway is overrun."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from lab.drill.call_log import max_at_one_gateway
from polling.schedule import keys
from polling.schedule.limits import slots_of
from tests.faults.conftest import MakeStack, Stack, every
from tests.support.faults.judge import TYPE, asked_since, invariant_holds

pytestmark = pytest.mark.faults
CARDS, SLOTS, GATEWAY_SLOTS = 400, 6, 3
HOUR = 3600
INTERVAL = 60


def an_hour_passes(stack: Stack) -> None:
    """As far as the schedule is concerned: everything was due an hour ago."""
    for card in stack.scheduled():
        stack.redis.zincrby(keys.queue(TYPE), -HOUR, str(card))


def test_each_card_is_asked_about_once_and_no_gateway_has_more_calls_than_its_limit(
    make_stack: MakeStack,
) -> None:
    stack = make_stack(
        CARDS,
        every(INTERVAL),
        f"UPDATE carriers_gateway SET batch_size = 5, max_concurrency = {GATEWAY_SLOTS}",
        f"UPDATE polling_concurrencylimit SET max_concurrency = {SLOTS}",
        POLLING_SEED_RAMP_SECONDS="0",
    )
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=300)
    owed = stack.scheduled()
    an_hour_passes(stack)
    assert stack.redis.zcount(keys.queue(TYPE), "-inf", stack.redis.time()[0] - HOUR + INTERVAL) == len(owed)

    begun = datetime.now(UTC)
    stack.start_engine()
    stack.wait_until(
        lambda: len(asked_since(stack, begun)) == len(owed), seconds=90, what="every card is asked about"
    )
    stack.let_pass(5)

    calls = stack.calls_since(begun)
    # Until the shortest interval has passed since the first of them, no card is due a second time.
    took = (datetime.now(UTC) - datetime.fromisoformat(calls[0]["start"])).total_seconds()
    assert took < INTERVAL * 0.9
    asked = Counter(iccid for call in calls for iccid in call["cards"])
    assert set(asked.values()) == {1}
    most = max_at_one_gateway(calls)
    print(
        f"\n{len(owed)} cards owed, {sum(asked.values())} asked about in {took:.0f} s; most at once at a gateway: {most}"
    )
    assert most <= GATEWAY_SLOTS
    assert max(call["in_flight"] for call in calls) <= SLOTS
    assert slots_of(stack.redis, TYPE).occupancy().limit == SLOTS
    assert invariant_holds(stack)
