"""Walks that plan the fleet, and what came of them."""

from typing import cast

from redis import Redis

from cards.models import Card
from polling.models import PollingConfig
from polling.planning.seed import Seeding
from polling.policy import defaults
from polling.schedule import keys
from tests.factories import CardFactory

QUEUE = keys.queue("carddata")


def walk(redis: Redis) -> int | None:
    return Seeding(redis).run()


def due_in(redis: Redis, card: Card) -> float:
    seconds, micro = redis.time()
    return cast(float, redis.zscore(QUEUE, str(card.pk))) - seconds - micro / 1e6


def planned(redis: Redis, count: int) -> list[Card]:
    """Cards that nobody has read, asked about their usage and their plans alone, and scheduled."""
    defaults.make_missing()
    PollingConfig.objects.update(realname_check_interval=None)
    made = CardFactory.create_batch(count)
    walk(redis)
    return made


class Died(BaseException):
    """The process is gone."""


def die(done: int) -> None:
    raise Died
