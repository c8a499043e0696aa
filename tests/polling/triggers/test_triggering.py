"""Checks that somebody asks for are made at once, once, and each of them ends."""

import time
from datetime import datetime

import pytest
from django.db import connection
from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckType
from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from polling.models import ManualTrigger, Pause, PollingConfig
from polling.planning.seed import Seeding
from polling.schedule import keys
from polling.triggers import triggering
from tests.factories import CardFactory, GatewayFactory, PauseFactory, UserFactory
from tests.support.draining import TYPE, gateway, while_draining
from tests.support.triggering import ask_for, asked, not_due, results_of, run, state_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def test_who_is_asked_for_is_checked_once_and_the_trigger_ends(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    wanted, other = CardFactory.create(), CardFactory.create()
    not_due(redis, wanted, other)

    trigger = ask_for(wanted)
    assert state_of(trigger) == ("queued", 0, 0)
    run(redis, runtime)

    assert asked(simulator) == [wanted.iccid]
    assert state_of(trigger) == ("finished", 1, 0)
    assert results_of(trigger, [wanted]) == [("done", "")]
    assert trigger.ended_at is not None
    assert trigger.started_at is not None


def test_a_card_that_is_not_polled_is_checked_once_and_not_scheduled(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create(enable_polling=False)
    Seeding(redis).run()

    trigger = ask_for(card)
    run(redis, runtime)
    run(redis, runtime)

    assert asked(simulator) == [card.iccid]
    assert state_of(trigger) == ("finished", 1, 0)
    assert redis.zcard(keys.queue(TYPE)) == 0


def test_a_card_is_asked_for_twice_and_checked_once(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    both, only_second = CardFactory.create(), CardFactory.create()
    not_due(redis, both, only_second)

    first, second = ask_for(both), ask_for(both, only_second)
    third = ask_for(both)
    run(redis, runtime)

    assert (second.accepted, second.skipped) == (2, 0)
    assert sorted(asked(simulator)) == sorted([both.iccid, only_second.iccid])
    assert state_of(first) == state_of(third) == ("finished", 1, 0)
    assert state_of(second) == ("finished", 2, 0)


def test_who_cancels_takes_no_check_from_whoever_asked_for_the_same(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    first, second = ask_for(card), ask_for(card)

    triggering.cancel(first.requester, first, now=timezone.now())
    run(redis, runtime)

    assert asked(simulator) == [card.iccid]
    assert (state_of(first)[0], state_of(second)) == ("cancelled", ("finished", 1, 0))


def test_who_asks_while_a_triggered_call_is_under_way_gets_a_check_that_begins_afterwards(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:

    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=1000)
    first = ask_for(card)
    later: list[ManualTrigger] = []

    def ask() -> None:
        later.append(ask_for(card, user=UserFactory.create(role="operator")))
        connection.close()

    while_draining(redis, runtime, ask, after=0.6)

    assert asked(simulator) == [card.iccid] * 2
    assert state_of(first) == state_of(later[0]) == ("finished", 1, 0)
    assert later[0].created_at < datetime.fromisoformat(simulator.calls()[1]["start"])


def test_a_card_that_is_being_checked_has_exactly_one_check_more(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:

    gateway(simulator)
    card = CardFactory.create()
    Seeding(redis).run()
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=1000)
    triggers: list[ManualTrigger] = []

    def ask_fifty_times() -> None:
        asker = UserFactory.create(role="operator")
        triggers.extend(ask_for(card, user=asker) for _ in range(50))
        # That of the timer's thread.
        connection.close()

    while_draining(redis, runtime, ask_fifty_times, after=0.6)

    assert asked(simulator) == [card.iccid] * 2
    assert max(call["in_flight"] for call in simulator.calls()) == 1
    assert {state_of(trigger)[0] for trigger in triggers} == {"finished"}
    assert sum(trigger.done for trigger in triggers) == 50


def test_who_is_cancelled_is_not_checked_and_due_when_it_was(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    cards = [CardFactory.create() for _ in range(3)]
    not_due(redis, *cards)
    trigger = ask_for(*cards)

    assert triggering.cancel(trigger.requester, trigger, now=timezone.now()) == 3
    run(redis, runtime)

    assert asked(simulator) == []
    assert state_of(trigger) == ("cancelled", 0, 0)
    assert redis.llen(keys.manual(TYPE)) == 0
    due_in = [float(str(redis.zscore(keys.queue(TYPE), str(card.pk)))) - time.time() for card in cards]
    assert all(3500 < seconds < 3700 for seconds in due_in)


@pytest.mark.parametrize("what", ["unknown", "fails", "disabled", "paused", "deleted", "none"])
def test_every_trigger_ends_and_says_why_it_failed(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, what: str
) -> None:
    asked_at = gateway(simulator, timeout_seconds=1)
    card = CardFactory.create(**({"iccid": "1234567890123456789"} if what == "unknown" else {}))
    not_due(redis, card)
    trigger = ask_for(card)
    if what == "fails":
        simulator.fault(path="/c/northwind", kind="error", share=1)
    elif what == "disabled":
        type(asked_at).objects.update(is_enabled=False)
    elif what == "none":
        type(asked_at).objects.update(is_default=False)
    elif what == "paused":
        PauseFactory.create(task_type=TYPE)
        assert Pause.objects.exists()
    elif what == "deleted":
        Card.objects.update(deleted_at=timezone.now())

    run(redis, runtime)

    said = {
        "unknown": "the gateway does not know the card",
        "fails": "the gateway gave no answer",
        "disabled": "its gateway is disabled or paused, or there is none",
        "none": "its gateway is disabled or paused, or there is none",
        "paused": "the check is paused",
        "deleted": "the card does not want this check",
    }
    assert results_of(trigger, [card]) == [("failed", said[what])]
    assert state_of(trigger) == ("finished", 0, 1)


def test_a_parked_card_is_not_checked_and_its_trigger_ends(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    redis.zrem(keys.queue(TYPE), str(card.pk))
    redis.zadd(keys.parked(TYPE), {str(card.pk): 1})

    trigger = ask_for(card)
    run(redis, runtime)

    assert asked(simulator) == []
    ((status, why),) = results_of(trigger, [card])
    assert status == "failed"
    assert why.startswith("parked")


def test_a_local_check_is_asked_for_as_well(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    from tests.factories import SubscriptionFactory

    GatewayFactory.create()
    card = CardFactory.create()
    SubscriptionFactory.create(card=card)
    Seeding(redis).run()
    redis.zadd(keys.queue("package"), {str(card.pk): time.time() + 3600})

    trigger = ask_for(card, check_type=CheckType.PACKAGE)
    run(redis, runtime)

    assert state_of(trigger) == ("finished", 1, 0)


def test_single_triggers_go_before_batches(redis: Redis) -> None:
    batch, single = [CardFactory.create() for _ in range(3)], CardFactory.create()
    ask_for(*batch)
    ask_for(single)

    assert redis.lrange(keys.manual(TYPE), 0, -1) == [str(card.pk) for card in [single, *batch]]


def test_a_check_that_no_config_asks_for_can_be_asked_for(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    PollingConfig.objects.update(carddata_check_interval=None)
    Seeding(redis).run()

    trigger = ask_for(card)
    run(redis, runtime)

    assert state_of(trigger) == ("finished", 1, 0)
    assert redis.zcard(keys.queue(TYPE)) == 0
