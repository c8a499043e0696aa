"""The schedule: whether there is one, who makes it, and whether it holds what it should."""

from collections.abc import Iterator

from redis import Redis

from polling.models import PollingConfig
from polling.observe import monitoring
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import InitProgress, QueueState
from polling.schedule import keys
from polling.schedule.epoch import Epoch

# More cards than this, and a larger share of them, are not what has just changed.
MUCH, MUCH_OF_ALL = 100, 0.01


def look(redis: Redis) -> Iterator[Finding]:
    """Configs, epoch, whoever plans, and the law."""
    yield configs(PollingConfig.objects.in_force().count())
    yield epoch(
        is_complete=Epoch(redis).is_complete(),
        number=Epoch(redis).unfinished(),
        is_seeded=bool(redis.exists(keys.SEEDER)),
        progress=monitoring.init_progress(redis),
    )
    if redis.exists(keys.REPLANNER):
        yield note("planning", "cards of changed configs are being planned anew")
    is_quiet = _is_quiet(redis)
    for queue in monitoring.queues(redis):
        yield law(queue, is_quiet=is_quiet)


def configs(in_force: int) -> Finding:
    """Pure."""
    if in_force:
        return ok("configs", f"{in_force} are in force")
    return trouble(
        "configs", "none is in force: no card wants any check", "enable one in the admin, or run init_polling"
    )


def epoch(*, is_complete: bool, number: int | None, is_seeded: bool, progress: InitProgress) -> Finding:
    """`number` is that of a walk that has begun and not ended; `is_seeded`: somebody is at it. Pure."""
    if is_complete:
        return ok("schedule", "every card is planned")
    if is_seeded:
        return note("schedule", f"it is being made: {progress.percent} % of the cards are planned")
    if number is not None:
        why = f" ({progress.error})" if progress.error else ""
        return trouble(
            "schedule",
            f"its making has stopped at {progress.percent} %{why}, and nobody goes on",
            "see to beat and to the worker of background, or run init_polling: it goes on where it stopped",
        )
    return trouble(
        "schedule",
        "there is none: nothing is claimed",
        "the next tick makes one when beat and the workers of ticks and background run; or run init_polling",
    )


def law(queue: QueueState, *, is_quiet: bool) -> Finding:
    """Scheduled + parked = cards that want the check. Not `is_quiet`: cards or configs are just changing. Pure."""
    subject = f"{queue.task_type} schedule"
    says = f"{queue.queue_length:,} scheduled, {queue.in_flight:,} being checked, {queue.parked:,} parked"
    if queue.parked:
        return trouble(
            subject,
            f"{says}: those crashed their workers again and again",
            "see 'parked checks' in the admin; mend their data, then release them there or with release_parked",
        )
    if is_quiet and queue.wanted and abs(queue.invariant_gap or 0) > max(MUCH, queue.wanted * MUCH_OF_ALL):
        return trouble(
            subject, f"{says}, but {queue.wanted:,} want it", "rebuild_schedule plans them at once"
        )
    if queue.invariant_gap:
        return note(
            subject,
            f"{says}, but {queue.wanted:,} want it",
            "nothing when cards have just changed; the hourly repair mends it, or rebuild_schedule at once",
        )
    return ok(subject, says)


def _is_quiet(redis: Redis) -> bool:
    """Nobody plans, and the census knows of every change."""
    changes, counted = redis.mget(keys.CENSUS_CHANGES, keys.CENSUS_COUNTED)
    return changes == counted and not redis.exists(keys.SEEDER, keys.REPLANNER)
