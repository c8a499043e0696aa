"""A gateway's limits on concurrent calls and on calls per second.

PostgreSQL stores the limits, and all processes enforce them together through Redis.
"""

from collections.abc import Collection, Mapping
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from redis import Redis

from carriers import keys
from carriers.models import Gateway
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from common.redis.publishing import copy
from common.redis.rate_limiter import Rate
from common.redis.semaphore import SlotKeys, SlotPool


def slots_of(redis: Redis, gateway_id: int) -> SlotPool:
    """Return the pool of slots for concurrent calls to one gateway."""
    return SlotPool(redis, SlotKeys(keys.slots(gateway_id), keys.limit(gateway_id), keys.current(gateway_id)))


def rate_of(redis: Redis, gateway_id: int) -> Rate:
    """Return the limiter of calls per second to one gateway. All processes share it."""
    return Rate(redis, keys.turn(gateway_id))


def publish_one(redis: Redis, gateway: Gateway) -> None:
    """Write the concurrency limit of one stored gateway to Redis. The limit applies from the next call."""
    _copy(redis, Gateway.objects.filter(pk=gateway.pk))


def publish_on_commit(gateway: Gateway) -> None:
    """Write the gateway's concurrency limit to Redis after the transaction has committed.

    If Redis is down at that time, the limit is written within ten seconds after Redis is back.
    """
    transaction.on_commit(partial(_publish_now, gateway))


def _publish_now(gateway: Gateway) -> None:
    with degraded_without_redis("a gateway's limit has not taken effect yet", gateway=gateway.pk):
        publish_one(for_web(), gateway)


def publish(redis: Redis) -> None:
    """Write the concurrency limits of all gateways to Redis, and drop expired slots."""
    for gateway_id in _copy(redis, Gateway.objects.all()):
        slots_of(redis, gateway_id).sweep()


def _copy(redis: Redis, rows: QuerySet[Gateway]) -> Collection[int]:
    """Write the concurrency limits of the gateways in `rows` to Redis. Return the ids of these gateways."""

    def write(limits: Mapping[int, int]) -> None:
        for gateway_id, limit in limits.items():
            slots_of(redis, gateway_id).set_limit(limit)

    return copy(lambda: dict(rows.values_list("pk", "max_concurrency")), write).keys()
