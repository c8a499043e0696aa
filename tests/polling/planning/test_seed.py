"""The whole fleet is planned from its rows."""

from datetime import timedelta
from io import StringIO
from typing import cast

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from cards.models import Card, CheckState, CheckType
from common.redis.ownership import owned
from polling.conf import PollingSettings
from polling.engine import wake_ups
from polling.models import ClassCensus, ConcurrencyLimit, PollingConfig
from polling.planning.reconcile import Replanning
from polling.planning.seed import Seeding
from polling.policy import census, defaults
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.progress import SeedProgress
from polling.schedule.schedule import NoScheduleError, Schedule
from tests.factories import CardFactory
from tests.support.scanning import QUEUE, due_in, walk

pytestmark = pytest.mark.django_db


def test_every_card_that_wants_the_check_is_planned_and_no_other(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=3)
    defaults.make_missing()
    wanted = CardFactory.create_batch(7)
    CardFactory.create(enable_polling=False)
    CardFactory.create(status=Card.Status.IN_STOCK)
    CardFactory.create(deleted_at=timezone.now())

    assert walk(redis) == 9

    assert set(cast("list[str]", redis.zrange(QUEUE, 0, -1))) == {str(card.pk) for card in wanted}
    assert SeedProgress(redis).read()["status"] == "finished"
    assert SeedProgress(redis).read()["done"] == "9"
    assert Epoch(redis).is_complete()


def test_a_chunk_of_deleted_cards_does_not_end_the_walk(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(5, deleted_at=timezone.now())
    last = CardFactory.create()

    walk(redis)

    assert redis.zrange(QUEUE, 0, -1) == [str(last.pk)]


def test_a_card_is_due_an_interval_after_its_last_good_check_and_overdue_ones_come_over_the_ramp(
    redis: Redis,
) -> None:
    defaults.make_missing()
    recent, overdue, never = CardFactory.create_batch(3)
    now = timezone.now()
    for card, ago in ((recent, 600), (overdue, 100_000)):
        CheckState.objects.create(
            card=card, type=CheckType.DATA_USAGE, checked_at=now - timedelta(seconds=ago), token=7
        )

    walk(redis)

    assert due_in(redis, recent) == pytest.approx(1200, abs=5)
    assert -5 <= due_in(redis, never) < due_in(redis, overdue) <= 60


def test_walking_again_moves_nothing_and_takes_a_new_epoch(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(3)
    walk(redis)
    before, epoch = redis.zrange(QUEUE, 0, -1, withscores=True), redis.get(keys.EPOCH)

    walk(redis)

    assert redis.zrange(QUEUE, 0, -1, withscores=True) == before
    assert int(cast(str, redis.get(keys.EPOCH))) == int(cast(str, epoch)) + 1


def test_one_walks_at_a_time(redis: Redis) -> None:
    with owned(redis, keys.SEEDER, seconds=30):
        assert walk(redis) is None

    assert redis.get(keys.EPOCH) is None
    assert walk(redis) == 0


def test_limits_are_there_before_the_epoch(redis: Redis) -> None:
    defaults.make_missing()

    walk(redis)

    assert redis.get(keys.limit("carddata")) == "50"


def test_init_polling_makes_the_defaults_once_and_keeps_what_operators_changed(redis: Redis) -> None:
    call_command("init_polling", verbosity=0)
    PollingConfig.objects.filter(name="Industry").delete()
    ConcurrencyLimit.objects.filter(task_type="carddata").update(max_concurrency=7)

    call_command("init_polling", verbosity=0)

    assert PollingConfig.objects.count() == 4
    assert ConcurrencyLimit.objects.get(task_type="carddata").max_concurrency == 7
    assert ConcurrencyLimit.objects.count() == 4


def test_a_schedule_that_is_rebuilt_is_made_from_the_rows(redis: Redis) -> None:
    defaults.make_missing()
    card, parked = CardFactory.create_batch(2)
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    CheckState.objects.create(card=parked, type="carddata", parked_at=timezone.now())
    walk(redis)
    redis.zadd(QUEUE, {"999999": 1, str(card.pk): 1})
    out = StringIO()

    call_command("rebuild_schedule", stdout=out)
    assert redis.zcard(QUEUE) == 0
    with pytest.raises(NoScheduleError):
        Schedule(redis, "carddata").claim(1, ttl=timedelta(seconds=60))

    call_command("rebuild_schedule", wait=True, stdout=out)
    assert redis.zrange(QUEUE, 0, -1) == [str(card.pk)]
    assert due_in(redis, card) > 1700
    assert redis.zrange(keys.parked("carddata"), 0, -1) == [str(parked.pk)]
    assert "Looked at 2 cards" in out.getvalue()
    assert "carddata: 1 scheduled, 1 parked" in out.getvalue()


def test_init_polling_tells_that_somebody_plans_already_or_waits_for_him(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(3)
    out = StringIO()
    with owned(redis, keys.SEEDER, seconds=30):
        call_command("init_polling", stdout=out)
    assert "Another process is at the schedule" in out.getvalue()
    assert redis.zcard(QUEUE) == 0

    # He dies: his right runs out, and we go on.
    redis.set(keys.SEEDER, "he", px=300)
    call_command("init_polling", wait=True, stdout=out)

    assert "Looked at 3 cards" in out.getvalue()
    assert redis.zcard(QUEUE) == 3


@pytest.mark.parametrize("how", ["the configs changed", "a pause ended early"])
def test_a_walk_over_a_schedule_that_exists_leaves_what_is_outdated_to_the_replanning(
    redis: Redis, how: str
) -> None:
    defaults.make_missing()
    card = CardFactory.create()
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    walk(redis)
    if how == "the configs changed":
        PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=300)
    else:
        census.outdate(ClassCensus.objects.all(), CheckType.DATA_USAGE)
    redis.zadd(QUEUE, {str(card.pk): redis.time()[0] + 80_000})

    walk(redis)
    assert due_in(redis, card) > 2000
    Replanning(redis).run()

    assert due_in(redis, card) <= 1800 if how == "a pause ended early" else due_in(redis, card) <= 300


def test_a_queue_that_is_lost_beside_a_census_that_is_not_empty_is_planned_again(redis: Redis) -> None:
    defaults.make_missing()
    cards = CardFactory.create_batch(2)
    walk(redis)
    sent: list[str] = []

    def wake() -> list[str]:
        sent.clear()
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))
        return sent

    assert wake() == []
    redis.delete(QUEUE)
    redis.set(keys.CENSUS_CHANGES, 5)
    # Cards have just changed: the census may be behind.
    assert wake() == []
    redis.set(keys.CENSUS_COUNTED, 5)
    assert wake() == ["seed"]
    assert walk(redis) == 2
    assert wake() == []

    for card in cards:
        CheckState.objects.create(card=card, type="carddata", parked_at=timezone.now())
    walk(redis)
    redis.delete(QUEUE)
    # All of them are parked: nothing is lost.
    assert wake() == []


def test_a_fleet_that_wants_nothing_any_more_is_not_taken_for_a_lost_queue(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(2)
    walk(redis)
    PollingConfig.objects.update(carddata_check_interval=0)
    redis.flushall()
    sent: list[str] = []

    for _ in range(3):
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))
        Seeding(redis).run(only_if_needed=True)

    assert sent == ["seed"]
    assert redis.hget(keys.WANTED, "carddata") == "0"
