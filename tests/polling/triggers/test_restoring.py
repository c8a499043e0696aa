"""Triggers are carried out even if Redis has lost their hints. A hint is a card id in the manual queue."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from redis import Redis

from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from polling.planning.seed import Seeder
from polling.schedule import keys
from polling.schedule.schedule import Schedule, Settlement, Which
from polling.triggers import restoring, triggering
from tests.factories import CardFactory
from tests.support.draining import TYPE, drain, gateway
from tests.support.triggering import ask_for, asked_iccids, not_due, run, state_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def test_lost_hint_is_restored(redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator) -> None:
    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    trigger = ask_for(card)
    redis.delete(keys.manual(TYPE))
    later = timezone.now() + timedelta(seconds=60)
    sent: list[bool] = []

    restoring.watch(now=timezone.now(), send=lambda: sent.append(True))
    assert not sent
    restoring.watch(now=later, send=lambda: sent.append(True))
    assert sent
    assert restoring.restore(redis, before=later) == 1
    assert restoring.restore(redis, before=later) == 0
    run(redis, runtime)

    assert state_of(trigger) == ("finished", 1, 0)


def test_dead_worker_loses_no_trigger_of_an_unpolled_card(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create(enable_polling=False)
    Seeder(redis).run()
    trigger = ask_for(card)
    Schedule(redis, TYPE).claim(1, ttl=timedelta(seconds=1), holder="dead")
    assert restoring.restore(redis, before=timezone.now()) == 0
    time.sleep(2.1)

    assert restoring.restore(redis, before=timezone.now()) == 1
    run(redis, runtime)

    assert asked_iccids(simulator) == [card.iccid]
    assert state_of(trigger) == ("finished", 1, 0)


def test_trigger_of_a_card_deferred_meanwhile_is_restored(redis: Redis) -> None:
    card = CardFactory.create()
    Seeder(redis).run()
    schedule = Schedule(redis, TYPE)
    (being_checked,) = schedule.claim(1, ttl=timedelta(seconds=60)).claims
    trigger = ask_for(card)
    assert schedule.claim(1, ttl=timedelta(seconds=60), which=Which.TRIGGERED).claims == []
    assert restoring.restore(redis, before=timezone.now()) == 0

    schedule.settle([Settlement(being_checked, timedelta(hours=1))])

    assert state_of(trigger) == ("queued", 0, 0)
    assert restoring.restore(redis, before=timezone.now()) == 1


def test_restored_hints_have_single_cards_in_front(redis: Redis) -> None:
    batch, single = CardFactory.create_batch(2), CardFactory.create()
    Seeder(redis).run()
    ask_for(*batch)
    ask_for(single)
    redis.delete(keys.manual(TYPE))

    restoring.restore(redis, before=timezone.now())

    assert redis.lrange(keys.manual(TYPE), 0, -1) == [str(card.pk) for card in (single, *batch)]


def test_flush_of_redis_loses_no_trigger(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create(enable_polling=False)
    Seeder(redis).run()
    trigger = ask_for(card)
    redis.flushdb()

    drain(redis, runtime)

    assert asked_iccids(simulator) == [card.iccid]
    assert state_of(trigger) == ("finished", 1, 0)


def test_trigger_without_redis_is_kept(
    redis: Redis,
    unreachable: Redis,
    runtime: WorkerRuntime,
    simulator: RunningSimulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    monkeypatch.setattr(triggering, "for_web", lambda: unreachable)

    trigger = ask_for(card)
    assert state_of(trigger) == ("queued", 0, 0)
    restoring.restore(redis, before=timezone.now())
    run(redis, runtime)

    assert state_of(trigger) == ("finished", 1, 0)
