"""Concurrency limits: operators change them in PostgreSQL, and workers take the slots in Redis."""

from collections.abc import Mapping

from django.db import transaction
from redis import Redis

from carriers import limits as gateway_limits
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from common.redis.publishing import copy
from common.redis.semaphore import SlotKeys, SlotPool
from polling.models import ConcurrencyLimit, TaskType
from polling.schedule import keys


def slots_of(redis: Redis, task_type: str) -> SlotPool:
    """Return the slots of one task type."""
    return SlotPool(redis, SlotKeys(keys.slots(task_type), keys.limit(task_type), keys.current(task_type)))


def publish(redis: Redis) -> None:
    """Write the limits of all task types and gateways to Redis.

    A task type without a row gets the limit 0, so none of its checks run.
    """

    def write(limits: Mapping[str, int]) -> None:
        for task_type in TaskType.values:
            slots_of(redis, task_type).set_limit(limits.get(task_type, 0))

    copy(lambda: dict(ConcurrencyLimit.objects.values_list("task_type", "max_concurrency")), write)
    gateway_limits.publish(redis)


def publish_on_commit() -> None:
    """Publish the limits after the transaction commits.

    If Redis is unavailable, they are published within ten seconds after Redis returns.
    """
    transaction.on_commit(_publish_now)


def _publish_now() -> None:
    with degraded_without_redis("limits are not in force yet"):
        publish(for_web())
