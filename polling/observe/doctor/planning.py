"""Examine the schedule: whether it is complete or being built, and whether it contains the right cards."""

from collections.abc import Iterator

from redis import Redis

from polling.models import PollingConfig
from polling.observe import monitoring
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import InitProgress, QueueState
from polling.schedule import keys
from polling.schedule.epoch import Epoch

# A gap in the invariant is a trouble if it exceeds both MAX_GAP_CARDS and MAX_GAP_SHARE of the wanted cards.
# A smaller gap is normal, because at any time some cards have just changed and are not counted yet.
MAX_GAP_CARDS, MAX_GAP_SHARE = 100, 0.01


def examine(redis: Redis) -> Iterator[Finding]:
    """Yield findings about the configs, the schedule and any rescheduling that is running.

    Then yield a finding about the invariant of each check type.
    """
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
    """Return the finding about the configs. `in_force` is the number of configs that are in force."""
    if in_force:
        return ok("configs", f"{in_force} are in force")
    return trouble(
        "configs", "none is in force: no card wants any check", "enable one in the admin, or run init_polling"
    )


def epoch(*, is_complete: bool, number: int | None, is_seeded: bool, progress: InitProgress) -> Finding:
    """Return the finding about whether the schedule exists and is complete.

    `number` is the epoch of the unfinished scan, or None if no scan is unfinished. `is_seeded` says whether a
    process is scanning the cards now.
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
            "check that beat and the worker of the queue background run, or run init_polling: seeding "
            "continues where it stopped",
        )
    return trouble(
        "schedule",
        "there is none: nothing is claimed",
        "check that beat and the workers of the queues ticks and background run: they build one within "
        "seconds; or run init_polling",
    )


def invariant(queue: QueueState, *, is_quiet: bool) -> Finding:
    """Return the finding about the invariant `scheduled + parked = wanted` of one check type.

    `is_quiet` is False while cards or configs are changing. Gaps are normal then, so a gap is only a note.
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
            "nothing if cards have just changed; otherwise wait for the hourly repair, or run "
            "rebuild_schedule to fix it at once",
        )
    return ok(subject, counts)


def _is_quiet(redis: Redis) -> bool:
    """Return whether no process is planning cards, and no card has changed since the last census."""
    changes, counted = redis.mget(keys.CENSUS_CHANGES, keys.CENSUS_COUNTED)
    return changes == counted and not redis.exists(keys.SEEDER, keys.RECONCILER)
