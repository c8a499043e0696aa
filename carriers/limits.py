"""How many calls a gateway takes, at once and a second: rows that operators change, seats in Redis that workers take."""

from functools import partial

from django.db import transaction
from redis import Redis

from carriers import keys
from carriers.models import Gateway
from common.redis.absence import redis_may_be_away
from common.redis.client import for_web
from common.redis.leases import SeatKeys, SeatPool
from common.redis.rates import Rate


def seats_of(redis: Redis, gateway_id: int) -> SeatPool:
    """The seats of one gateway."""
    return SeatPool(redis, SeatKeys(keys.seats(gateway_id), keys.limit(gateway_id), keys.current(gateway_id)))


def rate_of(redis: Redis, gateway_id: int) -> Rate:
    """The calls a second of one gateway."""
    return Rate(redis, keys.turn(gateway_id))


def publish_one(redis: Redis, gateway: Gateway) -> None:
    """Write the limit of one gateway, as its row has it now, to Redis; it is in force for the next call."""
    written, limit = None, _limit_of(gateway)
    # Somebody else may have written a newer one before us: who wrote last has read after it.
    while limit is not None and written != limit:
        seats_of(redis, gateway.pk).set_limit(limit)
        written, limit = limit, _limit_of(gateway)


def _limit_of(gateway: Gateway) -> int | None:
    rows = Gateway.objects.filter(pk=gateway.pk).values_list("max_concurrency", flat=True)
    return rows.first()


def publish_on_commit(gateway: Gateway) -> None:
    """Have its limit in force once the transaction is committed; without Redis, ten seconds after its return."""
    transaction.on_commit(partial(_publish_now, gateway))


def _publish_now(gateway: Gateway) -> None:
    with redis_may_be_away("a gateway's limit is not in force yet", gateway=gateway.pk):
        publish_one(for_web(), gateway)


def publish(redis: Redis) -> None:
    """Write the limit of every gateway to Redis, and sweep the seats of the dead."""
    for gateway in Gateway.objects.only("max_concurrency"):
        publish_one(redis, gateway)
        seats_of(redis, gateway.pk).sweep()
