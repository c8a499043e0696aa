"""The schedule: whether there is one, who makes it, and whether it holds what it should."""

from collections.abc import Iterator

from redis import Redis

from polling import monitoring
from polling.doctor.finding import Finding, note, ok, trouble
from polling.models import PollingConfig
from polling.monitoring import InitProgress, QueueState
from polling.store import keys
from polling.store.epoch import Epoch

# A larger share of cards than this is not what has just changed.
MUCH = 0.01


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
    for queue in monitoring.queues(redis):
        yield law(queue)


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


def law(queue: QueueState) -> Finding:
    """Scheduled + parked = cards that want the check. Pure."""
    subject = f"{queue.task_type} schedule"
    says = f"{queue.queue_length:,} scheduled, {queue.in_flight:,} being checked, {queue.parked:,} parked"
    if queue.parked:
        return trouble(
            subject,
            f"{says}: those crashed their workers again and again",
            "see 'parked checks' in the admin; mend their data, then release them there or with release_parked",
        )
    if queue.wanted and abs(queue.law_gap or 0) > queue.wanted * MUCH:
        return trouble(
            subject,
            f"{says}, but {queue.wanted:,} want it",
            "nothing while cards are being planned, above; else rebuild_schedule",
        )
    if queue.law_gap:
        return note(
            subject,
            f"{says}, but {queue.wanted:,} want it",
            "nothing when cards have just changed; the hourly repair mends it, or rebuild_schedule at once",
        )
    return ok(subject, says)
