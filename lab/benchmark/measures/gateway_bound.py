"""Measures how close the engine comes to the largest rate of calls that the gateways' limits allow.

If N calls may run at once and each takes L seconds, at most N / L calls per second are possible.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from cards.models import CheckType
from carriers import limits
from lab.benchmark.rates import Window
from lab.benchmark.run import Run
from lab.benchmark.supply import LOW_WATER, DueCards, keep_busy

KEY = "gateway_bound_share"
CALLS_AT_ONCE = 200
LATENCY_MS = 200
CEILING = CALLS_AT_ONCE * 1000 / LATENCY_MS


def measure(run: Run) -> None:
    """Measure the rate of answered calls after a warm-up, as a share of the largest possible rate.

    The calls are counted in the gateways' log. Each call is for one card.
    """
    seconds = run.extent.bound_warm_up_seconds + run.extent.bound_seconds
    supply = DueCards(run, CheckType.DATA_USAGE)
    supply.stock(round(CEILING * seconds) + LOW_WATER)
    with run.latency(LATENCY_MS), _one_card_a_call(run):
        run.allow(CheckType.DATA_USAGE, slots={CheckType.DATA_USAGE: CALLS_AT_ONCE})
        run.engine_on()
        run.new_calls()
        shift = keep_busy(run, supply, seconds)
        calls = run.new_calls()
    if not calls:
        run.findings.leave_out(KEY, "the gateways received no call")
        return
    begins, ends = ([datetime.fromisoformat(call[which]) for call in calls] for which in ("start", "end"))
    warm_up = timedelta(seconds=run.extent.bound_warm_up_seconds)
    steady = Window(max(min(begins), shift.window.begin), shift.window.end).after(warm_up)
    if shift.ran_out and steady.seconds < run.extent.bound_seconds / 2:
        run.findings.leave_out(KEY, shift.shortage)
        return
    answered = steady.amount([(moment, 1) for moment in ends])
    share = answered / steady.seconds / CEILING if steady.seconds else None
    run.findings.record(KEY, share, otherwise="the gateways received no call before the warm-up ended")
    run.findings.details["most_calls_at_once"] = max(call["in_flight"] for call in calls)


@contextmanager
def _one_card_a_call(run: Run) -> Iterator[None]:
    """During the block, limit each gateway to one card per call and `CALLS_AT_ONCE` calls at once."""
    before = run.stack.rows("SELECT id, batch_size, max_concurrency FROM carriers_gateway")
    try:
        for gateway_id, _, _ in before:
            _set_limits(run, gateway_id, 1, CALLS_AT_ONCE)
        yield
    finally:
        for gateway in before:
            _set_limits(run, *gateway)


def _set_limits(run: Run, gateway_id: int, batch_size: int, calls_at_once: int) -> None:
    run.stack.rows(
        f"UPDATE carriers_gateway SET batch_size = {batch_size}, max_concurrency = {calls_at_once} "
        f"WHERE id = {gateway_id} RETURNING id"
    )
    limits.slots_of(run.stack.redis, gateway_id).set_limit(calls_at_once)
