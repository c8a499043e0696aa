"""One gateway fails, hangs or is slow: the others lose nothing, and it is left alone until it answers again."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from carriers import keys as gateway_keys
from lab.simulator.fleet import CARRIERS
from polling.engine.ask import SLOW_MS
from polling.schedule.backoff import AWAY_SECONDS
from polling.schedule.schedule import Schedule
from tests.faults.conftest import MakeStack, Stack
from tests.support.faults.judge import TYPE, invariant_holds

pytestmark = pytest.mark.faults(seconds=170)
SICK, *HEALTHY = (carrier.code for carrier in CARRIERS)
# Of quick gateways.
LATENCY_MS = 800
SLOTS = 60
MEASURED = timedelta(seconds=7)
PROMISED_SHARE, LEAST_SHARE, LOOKS = 0.95, 0.25, 3
# Two of three gateways are healthy.
THEIR_SLOTS = SLOTS * len(HEALTHY) / len(CARRIERS)
OPENS_WITHIN, CLOSES_WITHIN = 10, 30
SOME_CALLS, LONG_AGO = 40, 3600.0
# Slower than any call may be, so every one of them fails; and slow, but within its deadline even with the latency that all have.
HANGS, DRIPS = {"kind": "timeout"}, {"kind": "drip"}
MORE_LATENCY_MS = 2400
CRAWLS = {"kind": "latency", "milliseconds": MORE_LATENCY_MS}


def healthy_slots(stack: Stack) -> float:
    """How many calls of healthy gateways ran at once on average over `MEASURED`, all cards of all gateways being due.

    Not how many were answered: that is also a matter of what else the machine does meanwhile.
    """
    stack.make_all_due()
    begin = datetime.now(UTC) + timedelta(seconds=2)
    end = begin + MEASURED
    stack.wait_until(lambda: datetime.now(UTC) > end, seconds=30, what="time")
    busy = timedelta()
    for call in stack.calls():
        if call["path"].split("/")[2] in HEALTHY:
            started, ended = (datetime.fromisoformat(call[name]) for name in ("start", "end"))
            busy += max(timedelta(), min(ended, end) - max(started, begin))
    return busy / MEASURED


def share_kept(stack: Stack, before: float) -> float:
    """Of the slots before. Others use the machine, too: a few looks are taken, and the best one counts."""
    return best_of(lambda: healthy_slots(stack) / before)


def share_kept_beside_a_slow_one(stack: Stack) -> float:
    """Its breaker stays closed, and it keeps its own slots: each look is compared with one before it."""

    def look() -> float:
        before = healthy_slots(stack)
        switch(stack, CRAWLS, share=1)
        share = healthy_slots(stack) / before
        switch(stack, CRAWLS, share=0)
        return share

    return best_of(look)


def best_of(look: Callable[[], float]) -> float:
    shares: list[float] = []
    while len(shares) < LOOKS and max(shares, default=0) < PROMISED_SHARE:
        shares.append(look())
    print(f"\nshares that were kept: {shares}")
    # Not even the first, when the breaker has just opened and calls to the sick one still hang, costs the others three quarters.
    assert min(shares) > LEAST_SHARE
    return max(shares)


def wait_for_calls_of_the_sick(stack: Stack) -> None:
    """Its cards are planned as ever, and asked about when they are due: here before all others."""
    away = f"SELECT FROM polling_classcensus WHERE carddata_interval = {int(AWAY_SECONDS)}"
    stack.wait_until(lambda: not stack.rows(away), seconds=30, what=f"{SICK}'s cards are planned again")
    since = datetime.now(UTC)
    cards = stack.rows(f"SELECT id FROM cards_card WHERE iccid LIKE '{CARRIERS[0].prefix}%'")
    Schedule(stack.redis, TYPE).hasten([(card, -LONG_AGO) for (card,) in cards])
    stack.wait_until(
        lambda: sum(call["path"].startswith(f"/c/{SICK}") for call in stack.calls_since(since)) > SOME_CALLS,
        seconds=60,
        what=f"{SICK} is called",
    )


def is_open(stack: Stack) -> bool:
    ((gateway_id,),) = stack.rows(f"SELECT id FROM carriers_gateway WHERE base_url LIKE '%/{SICK}'")
    return bool(stack.redis.hexists(gateway_keys.breaker(gateway_id), "opened_at"))


def switch(stack: Stack, fault: Mapping[str, object], *, share: int) -> None:
    stack.simulator.fault(path=f"/c/{SICK}", share=share, **fault)


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    made = make_stack(
        3000,
        "UPDATE carriers_gateway SET batch_size = 1, timeout_seconds = 5",
        f"UPDATE polling_concurrencylimit SET max_concurrency = {SLOTS}",
        POLLING_SEED_RAMP_SECONDS="0",
    )
    made.simulator.fault(path="/c/", kind="latency", milliseconds=LATENCY_MS)
    made.start_engine(with_background=True)
    made.wait_until(made.calls, seconds=60, what="a call")
    return made


def test_the_others_keep_their_pace_and_the_breaker_opens_and_closes_in_time(stack: Stack) -> None:
    before = max(healthy_slots(stack), healthy_slots(stack))
    shares, opened_after, closed_after = {}, [], []

    for fault in ({"kind": "error"}, HANGS, DRIPS):
        wait_for_calls_of_the_sick(stack)
        switch(stack, fault, share=1)
        opened_after.append(
            stack.wait_until(lambda: is_open(stack), seconds=20, what=f"{fault}: the breaker opens")
        )
        shares[str(fault["kind"])] = share_kept(stack, before)
        switch(stack, fault, share=0)
        closed_after.append(
            stack.wait_until(lambda: not is_open(stack), seconds=60, what=f"{fault}: the breaker closes")
        )
        print(f"\n{fault}: opened after {opened_after[-1]:.1f} s, closed after {closed_after[-1]:.1f} s")
    wait_for_calls_of_the_sick(stack)
    assert LATENCY_MS < SLOW_MS < LATENCY_MS + MORE_LATENCY_MS
    shares["slow"] = share_kept_beside_a_slow_one(stack)
    assert not is_open(stack)

    assert before > 0.8 * THEIR_SLOTS
    # One of them may fall into a moment when others use the machine.
    assert median(opened_after) < OPENS_WITHIN
    assert median(closed_after) < CLOSES_WITHIN
    print(f"slots of the healthy gateways before: {before:.1f}; share that is kept: {shares}")
    assert {kind: share >= PROMISED_SHARE for kind, share in shares.items()} == dict.fromkeys(shares, True)
    wait_for_calls_of_the_sick(stack)
    assert invariant_holds(stack)
