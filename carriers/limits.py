"""The limits of a gateway: concurrent calls and calls per second. Set in rows, enforced through Redis."""

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
    """Return the slots for concurrent calls to one gateway."""
    return SlotPool(redis, SlotKeys(keys.slots(gateway_id), keys.limit(gateway_id), keys.current(gateway_id)))


def rate_of(redis: Redis, gateway_id: int) -> Rate:
    """Return the rate (calls per second) of one gateway."""
    return Rate(redis, keys.turn(gateway_id))


def publish_one(redis: Redis, gateway: Gateway) -> None:
    """Write the stored limit of one gateway to Redis, where the next call obeys it."""
    _copy(redis, Gateway.objects.filter(pk=gateway.pk))


def publish_on_commit(gateway: Gateway) -> None:
    """Write the gateway's limit to Redis after the commit.

    If Redis is down then, the limit is published within ten seconds of its return.
    """
    transaction.on_commit(partial(_publish_now, gateway))


def _publish_now(gateway: Gateway) -> None:
    with degraded_without_redis("a gateway's limit has not taken effect yet", gateway=gateway.pk):
        publish_one(for_web(), gateway)


def publish(redis: Redis) -> None:
    """Write the limits of all gateways to Redis, and drop the slots of dead holders."""
    for gateway_id in _copy(redis, Gateway.objects.all()):
        slots_of(redis, gateway_id).sweep()


def _copy(redis: Redis, rows: QuerySet[Gateway]) -> Collection[int]:
    """Write the limits of `rows` to Redis; return the ids."""

    def write(limits: Mapping[int, int]) -> None:
        for gateway_id, limit in limits.items():
            slots_of(redis, gateway_id).set_limit(limit)

    return copy(lambda: dict(rows.values_list("pk", "max_concurrency")), write).keys()
