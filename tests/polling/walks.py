"""Walks that plan the fleet, and what came of them."""

from typing import cast

from redis import Redis

from cards.models import Card
from polling.seeding import Seeding
from polling.store import keys

QUEUE = keys.queue("carddata")


def walk(redis: Redis) -> int | None:
    return Seeding(redis).run()


def due_in(redis: Redis, card: Card) -> float:
    seconds, micro = redis.time()
    return cast(float, redis.zscore(QUEUE, str(card.pk))) - seconds - micro / 1e6


class Died(BaseException):
    """The process is gone."""


def die(done: int) -> None:
    raise Died
