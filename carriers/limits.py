"""How many calls a gateway takes, at once and a second: rows that operators change, slots in Redis that workers take."""

from collections.abc import Collection, Mapping
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from redis import Redis

from carriers import keys
from carriers.models import Gateway
from common.redis.client import for_web
from common.redis.degraded import redis_may_be_away
from common.redis.publishing import copy
from common.redis.rate_limiter import Rate
from common.redis.semaphore import SlotKeys, SlotPool


def slots_of(redis: Redis, gateway_id: int) -> SlotPool:
    """The slots of one gateway."""
    return SlotPool(redis, SlotKeys(keys.slots(gateway_id), keys.limit(gateway_id), keys.current(gateway_id)))


def rate_of(redis: Redis, gateway_id: int) -> Rate:
    """The calls a second of one gateway."""
    return Rate(redis, keys.turn(gateway_id))


def publish_one(redis: Redis, gateway: Gateway) -> None:
    """Write the limit of one gateway, as its row has it now, to Redis; it is in force for the next call."""
    _copy(redis, Gateway.objects.filter(pk=gateway.pk))


def publish_on_commit(gateway: Gateway) -> None:
    """Have its limit in force once the transaction is committed; without Redis, ten seconds after its return."""
    transaction.on_commit(partial(_publish_now, gateway))


def _publish_now(gateway: Gateway) -> None:
    with redis_may_be_away("a gateway's limit is not in force yet", gateway=gateway.pk):
        publish_one(for_web(), gateway)


def publish(redis: Redis) -> None:
    """Write the limit of every gateway to Redis, and sweep the slots of the dead."""
    for gateway_id in _copy(redis, Gateway.objects.all()):
        slots_of(redis, gateway_id).sweep()


def _copy(redis: Redis, rows: QuerySet[Gateway]) -> Collection[int]:
    """Write their limits; returns their ids."""

    def write(limits: Mapping[int, int]) -> None:
        for gateway_id, limit in limits.items():
            slots_of(redis, gateway_id).set_limit(limit)

    return copy(lambda: dict(rows.values_list("pk", "max_concurrency")), write).keys()
