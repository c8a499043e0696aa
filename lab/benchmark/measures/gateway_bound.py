"""How near the engine comes to what a limit of N calls at once, of L ms each, allows: N / L."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from carriers import limits
from lab.benchmark.rates import Window
from lab.benchmark.run import Run
from polling.models import TaskType

KEY = "gateway_bound_share"
CALLS_AT_ONCE = 200
LATENCY_MS = 200
CEILING = CALLS_AT_ONCE * 1000 / LATENCY_MS
START_SECONDS = 30


def measure(run: Run) -> None:
    """One card a call. The share of the ceiling that the gateways' log shows, from the warm-up on."""
    seconds = run.extent.bound_warm_up_seconds + run.extent.bound_seconds
    with run.latency(LATENCY_MS), _one_card_a_call(run):
        run.allow(TaskType.DATA_USAGE, slots={TaskType.DATA_USAGE: CALLS_AT_ONCE})
        run.engine_on()
        run.new_calls()
        run.wait(seconds)
        calls = run.new_calls()
    begins, ends = ([datetime.fromisoformat(call[which]) for call in calls] for which in ("start", "end"))
    if not calls:
        run.findings.leave_out(KEY, "no call went out")
        return
    steady = Window(min(begins), max(ends)).after(timedelta(seconds=run.extent.bound_warm_up_seconds))
    answered = steady.amount([(moment, 1) for moment in ends])
    share = answered / steady.seconds / CEILING if steady.seconds else None
    run.findings.found(KEY, share, otherwise="the cards were read too soon")
    run.findings.details["most_calls_at_once"] = max(call["in_flight"] for call in calls)


@contextmanager
def _one_card_a_call(run: Run) -> Iterator[None]:
    """The gateways take one card a call, and more calls at once than the limit of the type."""
    before = run.stack.rows("SELECT id, batch_size, max_concurrency FROM carriers_gateway")
    try:
        for gateway_id, _, _ in before:
            _set(run, gateway_id, 1, CALLS_AT_ONCE)
        yield
    finally:
        for gateway in before:
            _set(run, *gateway)


def _set(run: Run, gateway_id: int, batch_size: int, calls_at_once: int) -> None:
    run.stack.rows(
        f"UPDATE carriers_gateway SET batch_size = {batch_size}, max_concurrency = {calls_at_once} "
        f"WHERE id = {gateway_id} RETURNING id"
    )
    limits.slots_of(run.stack.redis, gateway_id).set_limit(calls_at_once)
