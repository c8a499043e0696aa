"""What comes out: backlog, success, lateness, and the cards that fail."""

from collections.abc import Iterator

from redis import Redis

from cards.models import CheckState
from polling.observe import monitoring
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import LatenessState, QueueState, TaskState

WINDOW_SECONDS = 120
# Cards wait for a drain for a second or two; a minute is the ramp of a crowd that comes at once.
LATE_SECONDS = 120
ENOUGH_CHECKS = 20
GOOD_RATE = 0.9
LATE_RATIO = 1.5
COUNT_AT_MOST = 10_000


def look(redis: Redis) -> Iterator[Finding]:
    """Every check type, then the cards that fail."""
    limits = {limit.task_type: limit.max_concurrency for limit in monitoring.limits(redis)}
    for queue in monitoring.queues(redis):
        yield backlog(queue, limit=limits[queue.task_type])
    for task in monitoring.tasks(redis, window_seconds=WINDOW_SECONDS):
        yield success(task)
    for state in monitoring.lateness(redis):
        yield lateness(state)
    yield failing(CheckState.objects.failing().values("pk")[:COUNT_AT_MOST].count())


def backlog(queue: QueueState, *, limit: int | None) -> Finding:
    """Pure."""
    subject = f"{queue.task_type} backlog"
    says = f"{queue.due:,} cards are due, the longest for {queue.oldest_due_seconds:.0f} s"
    if queue.oldest_due_seconds <= LATE_SECONDS:
        return ok(subject, says)
    if not limit:
        return trouble(subject, f"{says}: nobody may check them", "see its limit, above")
    return trouble(
        subject,
        says,
        "mend what is named above first; if nothing is, raise its limit or add a worker of the queue checks",
    )


def success(task: TaskState) -> Finding:
    """Pure."""
    subject, counted = f"{task.task_type} checks", task.counted
    says = f"{counted.success:,} good and {counted.failed:,} failed in {WINDOW_SECONDS // 60} minutes"
    if counted.checks >= ENOUGH_CHECKS and (counted.success_rate or 0) < GOOD_RATE:
        return trouble(
            subject,
            says,
            "see the gateways above, and gateway_calls_failed in the log of the workers; if they answer again: nothing, "
            "the count forgets it in two minutes",
        )
    return ok(subject, says)


def lateness(state: LatenessState) -> Finding:
    """Pure."""
    subject, measured = f"{state.task_type} lateness", state.measured
    if measured is None:
        return note(subject, "not measured yet", "nothing: the worker of background measures it each minute")
    if measured.p95 is None:
        return (
            note(subject, f"no answer yet of {measured.never:,} cards")
            if measured.never
            else ok(subject, "no card")
        )
    says = (
        f"95 % of the last answers are at most {measured.p95:.2f} intervals old, the oldest {measured.max:.2f}; "
        f"{measured.never:,} cards have none"
    )
    if measured.p95 > LATE_RATIO:
        return note(
            subject,
            says,
            "nothing after a standstill, it falls by itself; else more is promised than is done: see the demand "
            "under 'polling configs'",
        )
    return ok(subject, says)


def failing(checks: int) -> Finding:
    """Pure."""
    if not checks:
        return ok("failures", "no card fails")
    more = " or more" if checks == COUNT_AT_MOST else ""
    return note(
        "failures", f"checks that fail: {checks:,}{more}", "see /api/admin/check-failures: since when and why"
    )
