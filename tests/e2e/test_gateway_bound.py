"""The engine makes many calls at once, but never more than the limit of 200.

Each call takes 200 ms. `bin/test -s` prints which share of the possible 1,000 calls per second was reached.
"""

from datetime import datetime, timedelta

import pytest

from tests.faults.conftest import MakeStack, Stack

pytestmark = [pytest.mark.processes, pytest.mark.long_form]
LIMIT = 200
LATENCY_MS = 200
CEILING = LIMIT * 1000 / LATENCY_MS
# (number of cards, length of the warm-up, length of the measurement) of a long run and of a quick one.
FULL = (32_000, timedelta(seconds=5), timedelta(seconds=20))
SMOKE = (6_000, timedelta(seconds=1), timedelta(seconds=3))


def calls_in(stack: Stack, begin: datetime, length: timedelta) -> int:
    ends = (datetime.fromisoformat(call["end"]) for call in stack.simulator.calls())
    return sum(begin <= end < begin + length for end in ends)


def test_calls_at_once_reach_but_never_exceed_the_limit(make_stack: MakeStack, is_long: bool) -> None:
    cards, warm_up, length = FULL if is_long else SMOKE
    stack = make_stack(cards, POLLING_SEED_RAMP_SECONDS="0")
    stack.rows("UPDATE carriers_gateway SET batch_size = 1, max_concurrency = 1000 RETURNING id")
    stack.rows(
        f"UPDATE polling_concurrencylimit SET max_concurrency = {LIMIT} WHERE task_type = 'carddata' RETURNING id"
    )
    stack.manage("init_polling")
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=LATENCY_MS)
    stack.start_engine()
    stack.wait_until(stack.simulator.calls, seconds=60, what="a call")
    first = min(datetime.fromisoformat(call["start"]) for call in stack.simulator.calls())
    steady = first + warm_up

    stack.wait_until(
        lambda: datetime.now(first.tzinfo) > steady + length + timedelta(seconds=1),
        seconds=40,
        what="the measurement is over",
    )

    share = calls_in(stack, steady, length) / length.total_seconds() / CEILING
    highest = max(call["in_flight"] for call in stack.simulator.calls())
    print(f"\ngateway_bound_share {share:.3f}, at most {highest} calls at once of {LIMIT}")
    # The share depends on the machine and its load, so the benchmark judges it.
    assert LIMIT / 4 <= highest <= LIMIT
