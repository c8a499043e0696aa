"""A tick sends a wake-up, and starts a scan when the schedule is incomplete."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from pytest_django import Settings
from redis import Redis

from common.redis.locking import try_lock
from polling.engine import wake_ups
from polling.planning import seed
from polling.planning.seed import Seeder
from polling.policy import defaults
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import NoScheduleError, Schedule
from tests.factories import CardFactory
from tests.support.scanning import run_seeder

pytestmark = pytest.mark.django_db


def test_wake_up_seeds_an_incomplete_schedule(redis: Redis) -> None:
    sent: list[str] = []

    def wake() -> None:
        wake_ups.wake_up(
            redis, send_drain=lambda: sent.append("drain"), send_seed=lambda: sent.append("seed")
        )

    wake()
    wake()
    assert sent == ["seed", "drain", "seed"]

    run_seeder(redis)
    wake()
    assert sent == ["seed", "drain", "seed"]


def test_seeding_sent_twice_runs_once(redis: Redis) -> None:
    run_seeder(redis)
    epoch = redis.get(keys.EPOCH)

    assert Seeder(redis).run(only_if_needed=True) is None
    assert redis.get(keys.EPOCH) == epoch


def test_no_seeding_is_sent_while_another_runs(redis: Redis) -> None:
    sent: list[str] = []

    with try_lock(redis, keys.SEEDER, seconds=30):
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))

    assert sent == []


def test_wake_up_that_could_not_be_sent_is_not_pending(redis: Redis) -> None:
    def broken() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        wake_ups.wake_up(redis, send_drain=broken, send_seed=lambda: None)

    assert not redis.exists(keys.WAKE_UP_PENDING)


def test_restarted_server_allows_no_claim_before_a_new_epoch(redis: Redis) -> None:
    run_seeder(redis)
    epoch, sent = int(cast(str, redis.get(keys.EPOCH))), []
    redis.set(keys.EPOCH_SERVER, "the run id of an earlier start")

    wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))

    with pytest.raises(NoScheduleError):
        Schedule(redis, "carddata").claim(1, ttl=timedelta(seconds=60))
    assert sent == ["seed"]
    Seeder(redis).run(only_if_needed=True)
    assert int(cast(str, redis.get(keys.EPOCH))) == epoch + 1


def test_second_drain_is_not_sent_while_one_is_pending(redis: Redis) -> None:
    sent: list[str] = []

    wake_ups.send_one(redis, lambda: sent.append("drain"))
    wake_ups.send_one(redis, lambda: sent.append("drain"))

    assert sent == ["drain"]


def test_tick_during_seeding_leaves_its_epoch_alone(redis: Redis, settings: Settings) -> None:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    defaults.make_missing()
    # The cards of the first chunk want no check, so the queue is still empty after that chunk.
    CardFactory.create_batch(2, enable_polling=False)
    CardFactory.create_batch(2)
    run_seeder(redis)
    seed.drop(redis)

    def tick(done: int) -> None:
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: None)

    assert Seeder(redis, tick).run(only_if_needed=True) == 4
    assert Epoch(redis).is_complete()
