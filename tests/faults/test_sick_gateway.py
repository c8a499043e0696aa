"""When one gateway fails, hangs or is slow, the other gateways keep their calls.

The sick gateway gets hardly any calls until it answers again.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from carriers import keys as gateway_keys
from lab.simulator.fleet import CARRIERS
from polling.engine.ask import SLOW_MS
from polling.schedule.backoff import CLOSED_INTERVAL_SECONDS
from polling.schedule.schedule import Schedule
from tests.faults.conftest import MakeStack, Stack
from tests.support.faults.judge import CHECK_TYPE, invariant_holds

pytestmark = [pytest.mark.faults(seconds=110), pytest.mark.long_form]
SICK, *HEALTHY = (carrier.code for carrier in CARRIERS)
# Every gateway answers with this latency.
LATENCY_MS = 800
SLOTS = 60
MEASURED = timedelta(seconds=7)
PROMISED_SHARE, MIN_SHARE, MAX_MEASUREMENTS = 0.95, 0.25, 3
# The slots that healthy gateways can use: two of the three gateways are healthy.
HEALTHY_SLOTS = SLOTS * len(HEALTHY) / len(CARRIERS)
OPENS_WITHIN, CLOSES_WITHIN = 10, 30
SOME_CALLS, LONG_AGO = 40, 3600.0
# These faults exceed the deadline of a call, so every call fails.
HANGS, DRIPS = {"kind": "timeout"}, {"kind": "drip"}
FULL, SMOKE = ({"kind": "error"}, HANGS, DRIPS), ({"kind": "error"}, HANGS)
# A call that takes this long in addition to `LATENCY_MS` is slow, but still within its deadline.
MORE_LATENCY_MS = 2400
CRAWLS = {"kind": "latency", "milliseconds": MORE_LATENCY_MS}


def mean_healthy_calls(stack: Stack) -> float:
    """Return the average number of simultaneous calls to healthy gateways while every card is due.

    The number of answers would be a worse measure, because it also depends on the load of the machine.
    """
    stack.make_all_due()
    begin = datetime.now(UTC) + timedelta(seconds=2)
    end = begin + MEASURED
    stack.wait_until(lambda: datetime.now(UTC) > end, seconds=30, what="the measurement ends")
    busy = timedelta()
    for call in stack.calls():
        if call["path"].split("/")[2] in HEALTHY:
            started, ended = (datetime.fromisoformat(call[name]) for name in ("start", "end"))
            busy += max(timedelta(), min(ended, end) - max(started, begin))
    return busy / MEASURED


def share_kept(stack: Stack, before: float) -> float:
    """Compare the simultaneous calls to healthy gateways with `before`. Return the best share kept."""
    return best_share(lambda: mean_healthy_calls(stack) / before)


def share_kept_beside_slow_gateway(stack: Stack) -> float:
    """Return the best share of their calls that healthy gateways keep while another gateway is slow.

    The slow gateway keeps its slots, because its breaker stays closed. Each attempt has its own baseline.
    """

    def measure() -> float:
        before = mean_healthy_calls(stack)
        switch(stack, CRAWLS, share=1)
        share = mean_healthy_calls(stack) / before
        switch(stack, CRAWLS, share=0)
        return share

    return best_share(measure)


def best_share(measure: Callable[[], float]) -> float:
    """Return the best of up to `MAX_MEASUREMENTS` shares, because load may lower any of them."""
    shares: list[float] = []
    while len(shares) < MAX_MEASUREMENTS and max(shares, default=0) < PROMISED_SHARE:
        shares.append(measure())
    print(f"\nshares kept: {shares}")
    # Even the first share is above the minimum, although calls to the sick gateway still hang at that time.
    assert min(shares) > MIN_SHARE
    return max(shares)


def wait_for_calls_to_sick_gateway(stack: Stack) -> None:
    """Wait until the sick gateway's cards are rescheduled, make them an hour overdue, and await calls."""
    away = f"SELECT FROM polling_classcensus WHERE carddata_interval = {int(CLOSED_INTERVAL_SECONDS)}"
    stack.wait_until(lambda: not stack.rows(away), seconds=30, what=f"{SICK}'s cards are rescheduled")
    since = datetime.now(UTC)
    cards = stack.rows(f"SELECT id FROM cards_card WHERE iccid LIKE '{CARRIERS[0].prefix}%'")
    Schedule(stack.redis, CHECK_TYPE).hasten([(card, -LONG_AGO) for (card,) in cards])
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


def test_sick_gateway_costs_the_healthy_ones_no_calls(stack: Stack, is_long: bool) -> None:
    before = max(mean_healthy_calls(stack), mean_healthy_calls(stack))
    shares, opened_after, closed_after = {}, [], []

    for fault in FULL if is_long else SMOKE:
        wait_for_calls_to_sick_gateway(stack)
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
    wait_for_calls_to_sick_gateway(stack)
    assert LATENCY_MS < SLOW_MS < LATENCY_MS + MORE_LATENCY_MS
    shares["slow"] = share_kept_beside_slow_gateway(stack)
    assert not is_open(stack)

    assert before > 0.8 * HEALTHY_SLOTS
    # Use the medians, because a single time may be long if the machine is loaded at that moment.
    assert median(opened_after) < OPENS_WITHIN
    assert median(closed_after) < CLOSES_WITHIN
    print(f"calls at once to healthy gateways before: {before:.1f}; shares kept: {shares}")
    assert {kind: share >= PROMISED_SHARE for kind, share in shares.items()} == dict.fromkeys(shares, True)
    wait_for_calls_to_sick_gateway(stack)
    assert invariant_holds(stack)
