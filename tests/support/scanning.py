"""Helpers for tests of scans. A scan schedules all cards."""

from typing import cast

from redis import Redis

from cards.models import Card
from polling.models import PollingConfig
from polling.planning.seed import Seeder
from polling.policy import defaults
from polling.schedule import keys
from tests.factories import CardFactory

QUEUE = keys.queue("carddata")


def run_seeder(redis: Redis) -> int | None:
    return Seeder(redis).run()


def due_in(redis: Redis, card: Card) -> float:
    seconds, micro = redis.time()
    return cast(float, redis.zscore(QUEUE, str(card.pk))) - seconds - micro / 1e6


def planned(redis: Redis, count: int) -> list[Card]:
    """Create and schedule cards that have never been checked, with the real-name check switched off."""
    defaults.make_missing()
    PollingConfig.objects.update(realname_check_interval=None)
    cards: list[Card] = CardFactory.create_batch(count)
    run_seeder(redis)
    return cards


class Died(BaseException):
    """An exception that no code under test catches. It simulates the death of a process."""


def die(done: int) -> None:
    raise Died
