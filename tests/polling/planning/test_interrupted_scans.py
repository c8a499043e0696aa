"""A scan that was interrupted, replaced or overtaken still ends with a complete schedule."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import cast

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from cards.models import CheckState
from carriers.models import Gateway
from polling.engine import wake_ups
from polling.models import ClassCensus, PollingConfig
from polling.planning import seed
from polling.planning.seed import Seeder
from polling.policy import census, defaults
from polling.policy.rules import Rules
from polling.schedule import keys
from polling.schedule.backoff import CLOSED_INTERVAL_SECONDS
from polling.schedule.epoch import Epoch
from polling.schedule.progress import Checkpoint, SeedProgress
from polling.schedule.schedule import Schedule
from tests.factories import CardFactory, GatewayFactory
from tests.support.scanning import QUEUE, Died, die, due_in, run_seeder

pytestmark = pytest.mark.django_db


def test_seeder_that_lost_its_lock_completes_nothing(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(6)

    def steal(_: int) -> None:
        redis.set(keys.SEEDER, "another process")

    assert Seeder(redis, steal).run() is None

    assert redis.zcard(QUEUE) == 4
    assert not Epoch(redis).is_complete()
    assert redis.get(keys.SEEDER) == "another process"


def test_scan_continues_where_the_last_one_died(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    cards = CardFactory.create_batch(6)
    reported: list[int] = []
    with pytest.raises(Died):
        Seeder(redis, die).run()
    before, epoch = redis.zrange(QUEUE, 0, -1, withscores=True), redis.get(keys.EPOCH)
    assert not Epoch(redis).is_complete()
    # Remove a card that the scan has already planned. If the scan started over, it would plan the card again.
    redis.zrem(QUEUE, str(cards[0].pk))

    assert Seeder(redis, reported.append).run(only_if_needed=True) == 6

    assert reported == [4, 6]
    assert epoch == "seeding:" + cast(str, redis.get(keys.EPOCH))
    assert set(redis.zrange(QUEUE, 0, -1)) == {str(card.pk) for card in cards[1:]}
    kept = {place for place in before if place[0] != str(cards[0].pk)}
    assert set(redis.zrange(QUEUE, 0, -1, withscores=True)) >= kept
    assert ClassCensus.objects.get().cards == 6


def test_scan_starts_over_when_a_gateway_has_opened_since(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    cards = CardFactory.create_batch(6)
    gateway = GatewayFactory.create(carrier=cards[0].carrier, is_enabled=False)
    with pytest.raises(Died):
        Seeder(redis, die).run()
    assert due_in(redis, cards[0]) >= CLOSED_INTERVAL_SECONDS - 1

    Gateway.objects.filter(pk=gateway.pk).update(is_enabled=True)
    Seeder(redis).run()

    assert all(due_in(redis, card) < 100 for card in cards)
    assert census.outdated(Rules.in_force(redis)) == []


@pytest.mark.parametrize("when", ["during the scan", "between scans"])
def test_scan_starts_over_when_the_configs_change(redis: Redis, settings: Settings, when: str) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    cards = CardFactory.create_batch(5)
    unwanted = CardFactory.create(network_status="stopped")
    for card in [*cards, unwanted]:
        CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    reported: list[int] = []

    def change(done: int) -> None:
        reported.append(done)
        if done == 6:
            PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=300)
            PollingConfig.objects.filter(name="Suspended").update(carddata_check_interval=0)
            if when == "between scans":
                raise Died

    if when == "between scans":
        with pytest.raises(Died):
            Seeder(redis, change).run()
        PollingConfig.objects.filter(name="Industry").update(carddata_check_interval=900)
        Seeder(redis, reported.append).run()
    else:
        assert Seeder(redis, change).run() == 6

    assert reported[:3] == [2, 4, 6]
    assert reported[-3:] == [2, 4, 6]
    assert len(reported) > 3
    assert all(290 <= due_in(redis, card) <= 300 for card in cards)
    assert redis.zscore(QUEUE, str(unwanted.pk)) is None
    assert census.outdated(Rules.in_force(redis)) == []


def test_failed_scan_is_reported_and_continued(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(4)

    def fail(done: int) -> None:
        raise OSError("the connection string is secret")

    with pytest.raises(OSError, match="secret"):
        Seeder(redis, fail).run()
    progress = SeedProgress(redis).read()
    assert (progress["status"], progress["done"], progress["error"]) == ("failed", "2", "OSError")
    assert redis.get(keys.SEEDER) is None

    assert run_seeder(redis) == 4
    progress = SeedProgress(redis).read()
    assert (progress["status"], progress["done"], progress["error"]) == ("finished", "4", "")


def test_scan_with_deleted_progress_starts_over(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(4)
    with pytest.raises(Died):
        Seeder(redis, die).run()
    redis.delete(keys.PROGRESS)

    assert run_seeder(redis) == 4

    assert redis.zcard(QUEUE) == 4
    assert Epoch(redis).is_complete()


def test_cards_can_be_claimed_during_the_scan(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2, seed_ramp_seconds=0)
    defaults.make_missing()
    CardFactory.create_batch(6)
    claimed: list[int] = []

    def claim(done: int) -> None:
        claims = Schedule(redis, "carddata").claim(10, ttl=timedelta(seconds=60)).claims
        claimed.append(len(claims))

    Seeder(redis, claim).run()

    assert sum(claimed) == 6
    assert claimed[0] >= 2


def test_scan_of_a_dropped_schedule_leaves_work_to_the_next(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(6)

    def drop(done: int) -> None:
        if done == 4:
            seed.drop(redis)

    assert Seeder(redis, drop).run() is None
    assert redis.get(keys.EPOCH) is None

    assert Seeder(redis).run(only_if_needed=True) == 6
    assert redis.zcard(QUEUE) == 6


def test_interrupted_command_says_how_seeding_continues(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Seeder, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Seeder, "run", interrupt)
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("init_polling", stdout=out)

    assert ended.value.code == 130
    assert "A running worker continues from here" in out.getvalue()


@pytest.mark.parametrize("with_tick", [True, False])
def test_schedule_from_an_older_state_of_redis_is_rebuilt(redis: Redis, with_tick: bool) -> None:
    defaults.make_missing()
    card = CardFactory.create()
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    run_seeder(redis)
    redis.zadd(QUEUE, {str(card.pk): redis.time()[0] + 80_000})
    redis.set(keys.EPOCH_SERVER, "the run id before the restart")

    if with_tick:
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: None)
    Seeder(redis).run(only_if_needed=True)

    assert due_in(redis, card) <= 1800


def test_replaced_seeder_writes_no_progress_of_the_next(redis: Redis) -> None:
    progress = SeedProgress(redis)
    progress.begin(epoch=8, total=10, was_empty=True, now=timezone.now())

    progress.report(Checkpoint("old configs", cursor=7, done=7), epoch=7)
    progress.fail("OSError", epoch=7)
    progress.finish(epoch=7, done=7, now=timezone.now())

    assert progress.unfinished(8) is None
    assert (progress.read()["status"], progress.read()["done"]) == ("running", "0")
