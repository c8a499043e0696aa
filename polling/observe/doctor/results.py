"""Examine the results of the checks: backlog, success rate, lateness, and failing checks."""

from collections.abc import Iterator

from redis import Redis

from cards.models import CheckState
from polling.observe import monitoring
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import LatenessState, QueueState, TaskState

WINDOW_SECONDS = 120
# A due card normally waits a second or two for a drain, or up to a minute if many cards fall due at once. A
# delay above two minutes means that the workers cannot keep up.
MAX_DELAY_SECONDS = 120
MIN_CHECKS = 20
MIN_SUCCESS_RATE = 0.9
MAX_LATENESS = 1.5
MAX_COUNTED = 10_000


def examine(redis: Redis) -> Iterator[Finding]:
    """Yield findings about the results of every check type, and one about the checks that fail."""
    limits = {limit.task_type: limit.max_concurrency for limit in monitoring.limits(redis)}
    for queue in monitoring.queues(redis):
        yield backlog(queue, limit=limits[queue.task_type])
    for task in monitoring.tasks(redis, window_seconds=WINDOW_SECONDS):
        yield success(task)
    for state in monitoring.lateness(redis):
        yield lateness(state)
    yield failing(CheckState.objects.failing().values("pk")[:MAX_COUNTED].count())


def backlog(queue: QueueState, *, limit: int | None) -> Finding:
    """Return the finding about the cards that are due. `limit` is the concurrency limit of the check type."""
    subject = f"{queue.task_type} backlog"
    detail = f"{queue.due:,} cards are due, the longest for {queue.oldest_due_seconds:.0f} s"
    if queue.oldest_due_seconds <= MAX_DELAY_SECONDS:
        return ok(subject, detail)
    if not limit:
        return trouble(subject, f"{detail}: its limit allows no check", "see its limit, above")
    return trouble(
        subject,
        detail,
        "fix the troubles above first; if there are none, raise its limit, or start another worker of "
        "the queue checks",
    )


def success(task: TaskState) -> Finding:
    """Return the finding about the success rate of one check type."""
    subject, counted = f"{task.task_type} checks", task.counted
    detail = f"{counted.success:,} good and {counted.failed:,} failed in {WINDOW_SECONDS // 60} minutes"
    if counted.checks >= MIN_CHECKS and (counted.success_rate or 0) < MIN_SUCCESS_RATE:
        return trouble(
            subject,
            detail,
            "see the gateways above, and gateway_calls_failed in the workers' logs; if the gateways answer "
            "again, wait, because failures older than two minutes no longer count",
        )
    return ok(subject, detail)


def lateness(state: LatenessState) -> Finding:
    """Return the finding about the lateness of one check type."""
    subject, measured = f"{state.task_type} lateness", state.measured
    if measured is None:
        return note(
            subject,
            "not measured yet",
            "nothing: the worker of the queue background measures it about once a minute",
        )
    if measured.p95 is None:
        return (
            note(subject, f"no answer yet for {measured.never:,} cards")
            if measured.never
            else ok(subject, "no card")
        )
    detail = (
        f"95 % of the last answers are at most {measured.p95:.2f} intervals old, the oldest {measured.max:.2f}; "
        f"{measured.never:,} cards have none"
    )
    if measured.p95 > MAX_LATENESS:
        return note(
            subject,
            detail,
            "nothing after an outage, because it falls by itself; otherwise the configs ask for too many "
            "checks: see the demand under 'polling configs' in the admin",
        )
    return ok(subject, detail)


def failing(checks: int) -> Finding:
    """Return the finding about failing checks. `checks` is their number, counted up to MAX_COUNTED."""
    if not checks:
        return ok("failures", "no card fails")
    more = " or more" if checks == MAX_COUNTED else ""
    return note(
        "failures",
        f"checks that fail: {checks:,}{more}",
        "see /api/admin/check-failures for their cards and reasons",
    )
