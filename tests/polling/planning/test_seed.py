"""The seeder schedules all cards according to their rows in the database."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import cast

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from cards.models import Card, CheckState, CheckType
from common.redis.locking import try_lock
from polling.engine import wake_ups
from polling.models import ClassCensus, ConcurrencyLimit, PollingConfig
from polling.planning.reconcile import Reconciler
from polling.planning.seed import Seeder
from polling.policy import census, defaults
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.progress import SeedProgress
from polling.schedule.schedule import NoScheduleError, Schedule
from tests.factories import CardFactory
from tests.support.scanning import QUEUE, due_in, run_seeder

pytestmark = pytest.mark.django_db


def test_exactly_the_cards_that_want_the_check_are_planned(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=3)
    defaults.make_missing()
    wanted = CardFactory.create_batch(7)
    CardFactory.create(enable_polling=False)
    CardFactory.create(status=Card.Status.IN_STOCK)
    CardFactory.create(deleted_at=timezone.now())

    assert run_seeder(redis) == 9

    assert set(cast("list[str]", redis.zrange(QUEUE, 0, -1))) == {str(card.pk) for card in wanted}
    assert SeedProgress(redis).read()["status"] == "finished"
    assert SeedProgress(redis).read()["done"] == "9"
    assert Epoch(redis).is_complete()


def test_chunk_of_deleted_cards_does_not_end_the_scan(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(5, deleted_at=timezone.now())
    last = CardFactory.create()

    run_seeder(redis)

    assert redis.zrange(QUEUE, 0, -1) == [str(last.pk)]


def test_due_times_follow_the_last_check_and_the_ramp(
    redis: Redis,
) -> None:
    defaults.make_missing()
    recent, overdue, never = CardFactory.create_batch(3)
    now = timezone.now()
    for card, ago in ((recent, 600), (overdue, 100_000)):
        CheckState.objects.create(
            card=card, type=CheckType.DATA_USAGE, checked_at=now - timedelta(seconds=ago), token=7
        )

    run_seeder(redis)

    assert due_in(redis, recent) == pytest.approx(1200, abs=5)
    assert -5 <= due_in(redis, never) < due_in(redis, overdue) <= 60


def test_second_scan_moves_nothing_and_takes_a_new_epoch(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(3)
    run_seeder(redis)
    before, epoch = redis.zrange(QUEUE, 0, -1, withscores=True), redis.get(keys.EPOCH)

    run_seeder(redis)

    assert redis.zrange(QUEUE, 0, -1, withscores=True) == before
    assert int(cast(str, redis.get(keys.EPOCH))) == int(cast(str, epoch)) + 1


def test_one_seeder_at_a_time(redis: Redis) -> None:
    with try_lock(redis, keys.SEEDER, seconds=30):
        assert run_seeder(redis) is None

    assert redis.get(keys.EPOCH) is None
    assert run_seeder(redis) == 0


def test_seeding_publishes_the_limits(redis: Redis) -> None:
    defaults.make_missing()

    run_seeder(redis)

    assert redis.get(keys.limit("carddata")) == "50"


def test_init_polling_keeps_what_operators_changed(redis: Redis) -> None:
    call_command("init_polling", verbosity=0)
    PollingConfig.objects.filter(name="Industry").delete()
    ConcurrencyLimit.objects.filter(task_type="carddata").update(max_concurrency=7)

    call_command("init_polling", verbosity=0)

    assert PollingConfig.objects.count() == 4
    assert ConcurrencyLimit.objects.get(task_type="carddata").max_concurrency == 7
    assert ConcurrencyLimit.objects.count() == 4


def test_rebuilt_schedule_matches_the_rows(redis: Redis) -> None:
    defaults.make_missing()
    card, parked = CardFactory.create_batch(2)
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    CheckState.objects.create(card=parked, type="carddata", parked_at=timezone.now())
    run_seeder(redis)
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
    assert "Scanned 2 cards" in out.getvalue()
    assert "carddata: 1 scheduled, 1 parked" in out.getvalue()


def test_init_polling_reports_or_waits_for_another_seeder(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(3)
    out = StringIO()
    with try_lock(redis, keys.SEEDER, seconds=30):
        call_command("init_polling", stdout=out)
    assert "Another process is building the schedule" in out.getvalue()
    assert redis.zcard(QUEUE) == 0

    # When the other process dies, its lock expires, and the command continues.
    redis.set(keys.SEEDER, "another process", px=300)
    call_command("init_polling", wait=True, stdout=out)

    assert "Scanned 3 cards" in out.getvalue()
    assert redis.zcard(QUEUE) == 3


@pytest.mark.parametrize("how", ["the configs changed", "a pause ended early"])
def test_second_scan_leaves_outdated_cards_to_the_reconciler(redis: Redis, how: str) -> None:
    defaults.make_missing()
    card = CardFactory.create()
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    run_seeder(redis)
    if how == "the configs changed":
        PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=300)
    else:
        census.mark_outdated(ClassCensus.objects.all(), CheckType.DATA_USAGE)
    redis.zadd(QUEUE, {str(card.pk): redis.time()[0] + 80_000})

    run_seeder(redis)
    assert due_in(redis, card) > 2000
    Reconciler(redis).run()

    assert due_in(redis, card) <= 1800 if how == "a pause ended early" else due_in(redis, card) <= 300


def test_lost_queue_is_seeded_again(redis: Redis) -> None:
    defaults.make_missing()
    cards = CardFactory.create_batch(2)
    run_seeder(redis)
    sent: list[str] = []

    def wake() -> list[str]:
        sent.clear()
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))
        return sent

    assert wake() == []
    redis.delete(QUEUE)
    redis.set(keys.CENSUS_CHANGES, 5)
    # Cards have just changed, so the census may be out of date, and a tick does not rely on it.
    assert wake() == []
    redis.set(keys.CENSUS_COUNTED, 5)
    assert wake() == ["seed"]
    assert run_seeder(redis) == 2
    assert wake() == []

    for card in cards:
        CheckState.objects.create(card=card, type="carddata", parked_at=timezone.now())
    run_seeder(redis)
    redis.delete(QUEUE)
    # All cards are parked, so an empty queue is correct.
    assert wake() == []


def test_empty_queue_of_unwanted_checks_is_not_seeded_again(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(2)
    run_seeder(redis)
    PollingConfig.objects.update(carddata_check_interval=0)
    redis.flushall()
    sent: list[str] = []

    for _ in range(3):
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))
        Seeder(redis).run(only_if_needed=True)

    assert sent == ["seed"]
    assert redis.hget(keys.WANTED, "carddata") == "0"


def test_log_tells_begin_tenths_and_end_of_a_scan(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(8)

    with capture_logs() as logs:
        Seeder(redis).run()

    begun, *tenths, ended = [event for event in logs if event["event"].startswith("s")]
    assert (begun["event"], begun["done"], begun["percent"]) == ("seeding_began", 0, 0)
    assert (ended["event"], ended["cards"]) == ("schedule_seeded", 8)
    assert {event["event"] for event in tenths} == {"seeding_continues"}
    percents = [int(event["percent"]) for event in tenths]
    assert percents == sorted(set(percents))
