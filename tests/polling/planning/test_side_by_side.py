"""Seeder, reconciler, repair and card changes lose no card when they run at the same time."""

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import cast

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from cards import lifecycle
from cards.models import Card, CheckType
from polling.models import PollingConfig
from polling.planning import recount
from polling.planning.reconcile import Reconciler
from polling.planning.repair import Repair
from polling.planning.seed import Seeder
from polling.policy import defaults
from polling.schedule import keys
from tests.factories import CardFactory
from tests.support.draining import TYPE

pytestmark = pytest.mark.django_db(transaction=True)
# All threads repeat their work until the slowest thread has done it this many times.
ROUNDS = 3
FULL_ROUNDS = 50


@pytest.mark.long_form
def test_concurrent_planners_lose_no_card(redis: Redis, settings: Settings, is_long: bool) -> None:
    seed = int(os.environ.get("SIDE_BY_SIDE_SEED", str(time.time_ns() % 10**6)))
    print(f"SIDE_BY_SIDE_SEED={seed}")
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=20)
    defaults.make_missing()
    cards = [card.pk for card in CardFactory.create_batch(100)]
    Seeder(redis).run()
    chance = Random(seed)

    def change_cards() -> None:
        chosen = chance.sample(cards, chance.randint(1, 10))
        lifecycle.change(chosen, enable_polling=chance.random() < 0.6, cause="test", now=timezone.now())

    def change_configs() -> None:
        config = chance.choice(list(PollingConfig.objects.all()))
        config.is_enabled = chance.random() < 0.7
        config.carddata_check_interval = chance.choice([None, 0, 60, 1800])
        config.save()
        # Wait, because each change of a config makes the seeder start again.
        time.sleep(0.3)

    rounds = FULL_ROUNDS if is_long else ROUNDS
    times: Counter[int] = Counter()

    def repeat(number: int) -> None:
        try:
            while any(times[other] < rounds for other in range(len(work))):
                work[number]()
                times[number] += 1
                time.sleep(0.05)
        except BaseException:
            # Otherwise the other threads would wait forever for the rounds of this thread.
            times[number] += rounds
            raise
        finally:
            connection.close()

    work: list[Callable[[], object]] = [
        change_cards,
        change_cards,
        change_configs,
        lambda: Reconciler(redis).run(),
        lambda: Seeder(redis).run(),
        lambda: Repair(redis).run(),
        lambda: recount.recount(redis),
    ]
    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(repeat, range(len(work))))
    print(times)

    # All changes have ended. Reschedule the outdated cards, as the next tick would.
    Reconciler(redis).run()
    redis.delete(keys.CENSUS_RESTS)
    recount.recount(redis)

    wanted = wanting()
    assert wanted <= scheduled(redis)
    # Cards that want no check may still be scheduled until a drain claims them or a repair finds them.
    repaired = (Repair(redis).run() or {})[CheckType(TYPE)]
    assert repaired.missing == 0
    assert scheduled(redis) == wanted
    assert int(redis.hget(keys.WANTED, TYPE) or 0) == len(wanted)


def scheduled(redis: Redis) -> set[int]:
    return {int(card) for card in cast("list[str]", redis.zrange(keys.queue(TYPE), 0, -1))}


def wanting() -> set[int]:
    """Return the ids of cards that want the check. All cards here are activated, normal and unverified."""
    for config in PollingConfig.objects.in_force():
        interval = config.carddata_check_interval
        if config.card_condition in ("suspended", "real_name") or config.card_category == "industry":
            continue
        if interval is not None:
            return (
                set(Card.objects.filter(enable_polling=True).values_list("id", flat=True))
                if interval
                else set()
            )
    return set()
