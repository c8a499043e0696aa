"""Each second: remove expired slots, and send the messages that start a drain and, if needed, a scan."""

from collections.abc import Callable

from redis import Redis

from common.redis import counters
from polling.checks.registry import CHECKS
from polling.models import TaskType
from polling.planning import set_back_clock
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.limits import slots_of
from polling.schedule.wake_up import WakeUp

Send = Callable[[], object]


def wake_up(redis: Redis, *, send_drain: Send, send_seed: Send) -> None:
    """Remove expired slots, send a drain unless one is pending, and send a scan if one is needed.

    A scan is needed if the schedule is incomplete, outdated or lost, and no scan is running, or after Redis'
    clock was set back. Safe to repeat.
    """
    set_back_clock.notice(redis)
    counters.begin_again_after_restart(redis)
    for task_type in TaskType.values:
        slots_of(redis, task_type).sweep()
    epoch = Epoch(redis)
    epoch.withdraw_if_stale()
    if epoch.is_complete() and _is_flushed(redis):
        epoch.withdraw()
    if not epoch.is_complete() and not redis.exists(keys.SEEDER):
        send_seed()
    send_one(redis, send_drain)


def _is_flushed(redis: Redis) -> bool:
    """Return whether a queue was lost: it is empty, although the census counts more cards than are parked."""
    changes, counted = redis.mget(keys.CENSUS_CHANGES, keys.CENSUS_COUNTED)
    if changes != counted or redis.exists(keys.RECONCILER):
        # Cards or configs are changing now, so the census may be out of date.
        return False
    pipeline = redis.pipeline(transaction=False)
    for check_type in CHECKS:
        pipeline.hget(keys.WANTED, check_type.value)
        pipeline.zcard(keys.queue(check_type.value))
        pipeline.zcard(keys.parked(check_type.value))
    answers = pipeline.execute()
    return any(
        scheduled == 0 and int(wanted or 0) > parked
        for wanted, scheduled, parked in zip(answers[::3], answers[1::3], answers[2::3], strict=True)
    )


def send_one(redis: Redis, send_drain: Send) -> None:
    """Send a drain, unless one is pending, or the last ones have failed."""
    pending = WakeUp(redis)
    if pending.mark():
        try:
            send_drain()
        except Exception:
            pending.clear()
            raise
