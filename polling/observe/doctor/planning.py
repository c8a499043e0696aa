"""The schedule: whether it exists, which process makes it, and whether it holds the right cards."""

from collections.abc import Iterator

from redis import Redis

from polling.models import PollingConfig
from polling.observe import monitoring
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import InitProgress, QueueState
from polling.schedule import keys
from polling.schedule.epoch import Epoch

# A gap above both (cards, share of all) is more than the cards that have just changed.
MAX_GAP_CARDS, MAX_GAP_SHARE = 100, 0.01


def examine(redis: Redis) -> Iterator[Finding]:
    """Yield findings about configs, epoch and rescheduling, and about the invariant of every check type."""
    yield configs(PollingConfig.objects.in_force().count())
    yield epoch(
        is_complete=Epoch(redis).is_complete(),
        number=Epoch(redis).unfinished(),
        is_seeded=bool(redis.exists(keys.SEEDER)),
        progress=monitoring.init_progress(redis),
    )
    if redis.exists(keys.RECONCILER):
        yield note("planning", "cards of changed configs are being rescheduled")
    is_quiet = _is_quiet(redis)
    for queue in monitoring.queues(redis):
        yield invariant(queue, is_quiet=is_quiet)


def configs(in_force: int) -> Finding:
    """Return the finding about the number of configs in force. Pure."""
    if in_force:
        return ok("configs", f"{in_force} are in force")
    return trouble(
        "configs", "none is in force: no card wants any check", "enable one in the admin, or run init_polling"
    )


def epoch(*, is_complete: bool, number: int | None, is_seeded: bool, progress: InitProgress) -> Finding:
    """Return the finding about the schedule. Pure.

    `number` is the epoch of an unfinished scan; `is_seeded` is true while a process is running it.
    """
    if is_complete:
        return ok("schedule", "every card is scheduled")
    if is_seeded:
        return note("schedule", f"being seeded: {progress.percent} % of the cards are scheduled")
    if number is not None:
        reason = f" ({progress.error})" if progress.error else ""
        return trouble(
            "schedule",
            f"seeding has stopped at {progress.percent} %{reason}, and no process continues it",
            "check beat and the worker of background, or run init_polling: seeding continues where it stopped",
        )
    return trouble(
        "schedule",
        "there is none: nothing is claimed",
        "the next tick makes one if beat and the workers of ticks and background run; or run init_polling",
    )


def invariant(queue: QueueState, *, is_quiet: bool) -> Finding:
    """Return the finding about `scheduled + parked = wanted`. Pure.

    A gap is no trouble while cards or configs are changing (not `is_quiet`).
    """
    subject = f"{queue.task_type} schedule"
    counts = f"{queue.queue_length:,} scheduled, {queue.in_flight:,} being checked, {queue.parked:,} parked"
    if queue.parked:
        return trouble(
            subject,
            f"{counts}: those cards crashed their workers repeatedly",
            "see 'parked checks' in the admin: fix their data, then release them there or with release_parked",
        )
    if (
        is_quiet
        and queue.wanted
        and abs(queue.invariant_gap or 0) > max(MAX_GAP_CARDS, queue.wanted * MAX_GAP_SHARE)
    ):
        return trouble(
            subject,
            f"{counts}, but {queue.wanted:,} want the check",
            "run rebuild_schedule: it schedules them at once",
        )
    if queue.invariant_gap:
        return note(
            subject,
            f"{counts}, but {queue.wanted:,} want the check",
            "nothing if cards have just changed; the hourly repair fixes it, or rebuild_schedule at once",
        )
    return ok(subject, counts)


def _is_quiet(redis: Redis) -> bool:
    """Return whether no process is planning and the census has counted every change."""
    changes, counted = redis.mget(keys.CENSUS_CHANGES, keys.CENSUS_COUNTED)
    return changes == counted and not redis.exists(keys.SEEDER, keys.RECONCILER)
