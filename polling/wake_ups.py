"""What beat sets off each second: somebody drains, somebody plans, and the seats that died are free."""

from collections.abc import Callable

from redis import Redis

from polling.limits import seats_of
from polling.models import TaskType
from polling.store import keys
from polling.store.epoch import Epoch
from polling.store.wake_up import WakeUp

Send = Callable[[], object]


def wake_up(redis: Redis, *, send_drain: Send, send_seed: Send) -> None:
    """Send a drain unless one is pending, and a walk when the schedule is not whole. Harmless twice."""
    for task_type in TaskType.values:
        seats_of(redis, task_type).sweep()
    epoch = Epoch(redis)
    epoch.withdraw_if_stale()
    if not epoch.is_complete() and not redis.exists(keys.SEEDER):
        send_seed()
    send_one(redis, send_drain)


def send_one(redis: Redis, send_drain: Send) -> None:
    """Send a drain, unless one is pending."""
    pending = WakeUp(redis)
    if pending.mark():
        try:
            send_drain()
        except Exception:
            pending.clear()
            raise
