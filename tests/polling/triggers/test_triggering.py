"""A triggered check is made immediately and only once, and every trigger ends."""

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
from polling.planning.seed import Seeder
from polling.schedule import keys
from polling.triggers import triggering
from tests.factories import CardFactory, GatewayFactory, PauseFactory, UserFactory
from tests.support.draining import TYPE, gateway, while_draining
from tests.support.triggering import ask_for, asked_iccids, not_due, results_of, run, state_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def test_triggered_card_is_checked_once_and_the_trigger_ends(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    wanted, other = CardFactory.create(), CardFactory.create()
    not_due(redis, wanted, other)

    trigger = ask_for(wanted)
    assert state_of(trigger) == ("queued", 0, 0)
    run(redis, runtime)

    assert asked_iccids(simulator) == [wanted.iccid]
    assert state_of(trigger) == ("finished", 1, 0)
    assert results_of(trigger, [wanted]) == [("done", "")]
    assert trigger.started_at is not None
    assert trigger.ended_at is not None
    assert trigger.created_at < trigger.started_at < trigger.ended_at


def test_triggered_unpolled_card_is_not_scheduled(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create(enable_polling=False)
    Seeder(redis).run()

    trigger = ask_for(card)
    run(redis, runtime)
    run(redis, runtime)

    assert asked_iccids(simulator) == [card.iccid]
    assert state_of(trigger) == ("finished", 1, 0)
    assert redis.zcard(keys.queue(TYPE)) == 0


def test_card_triggered_twice_is_checked_once(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    both, only_second = CardFactory.create(), CardFactory.create()
    not_due(redis, both, only_second)

    first, second = ask_for(both), ask_for(both, only_second)
    third = ask_for(both)
    run(redis, runtime)

    assert (second.accepted, second.skipped) == (2, 0)
    assert sorted(asked_iccids(simulator)) == sorted([both.iccid, only_second.iccid])
    assert state_of(first) == state_of(third) == ("finished", 1, 0)
    assert state_of(second) == ("finished", 2, 0)


def test_cancelling_leaves_other_triggers_of_the_card_alone(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    first, second = ask_for(card), ask_for(card)

    triggering.cancel(first.requester, first, now=timezone.now())
    run(redis, runtime)

    assert asked_iccids(simulator) == [card.iccid]
    assert (state_of(first)[0], state_of(second)) == ("cancelled", ("finished", 1, 0))


def test_trigger_during_a_call_gets_a_check_that_begins_later(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=1000)
    first = ask_for(card)
    later: list[ManualTrigger] = []
    states_during_the_call = []

    def trigger_again() -> None:
        states_during_the_call.append(state_of(first))
        later.append(ask_for(card, user=UserFactory.create(role="operator")))
        connection.close()

    while_draining(redis, runtime, trigger_again, after=0.6)

    assert asked_iccids(simulator) == [card.iccid] * 2
    assert states_during_the_call == [("running", 0, 0)]
    assert state_of(first) == state_of(later[0]) == ("finished", 1, 0)
    assert later[0].created_at < datetime.fromisoformat(simulator.calls()[1]["start"])


def test_triggers_during_a_check_cause_exactly_one_more(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    Seeder(redis).run()
    # Make the first call slow, so that it is still running after the last trigger, even on a busy machine.
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=4000)
    triggers: list[ManualTrigger] = []

    def trigger_fifty_times() -> None:
        requester = UserFactory.create(role="operator")
        triggers.extend(ask_for(card, user=requester) for _ in range(50))
        simulator.fault(path="/c/northwind", kind="latency", share=0)
        # Close the database connection of the timer's thread, because no one else closes it.
        connection.close()

    while_draining(redis, runtime, trigger_fifty_times, after=0.6)

    assert asked_iccids(simulator) == [card.iccid] * 2
    assert max(call["in_flight"] for call in simulator.calls()) == 1
    assert {state_of(trigger)[0] for trigger in triggers} == {"finished"}
    assert sum(trigger.done for trigger in triggers) == 50


def test_cancelled_card_is_not_checked_and_keeps_its_due_time(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    cards = [CardFactory.create() for _ in range(3)]
    not_due(redis, *cards)
    trigger = ask_for(*cards)

    assert triggering.cancel(trigger.requester, trigger, now=timezone.now()) == 3
    run(redis, runtime)

    assert asked_iccids(simulator) == []
    assert state_of(trigger) == ("cancelled", 0, 0)
    assert redis.llen(keys.manual(TYPE)) == 0
    due_in = [float(str(redis.zscore(keys.queue(TYPE), str(card.pk)))) - time.time() for card in cards]
    assert all(3500 < seconds < 3700 for seconds in due_in)


@pytest.mark.parametrize("what", ["unknown", "fails", "disabled", "paused", "deleted", "none"])
def test_failed_trigger_ends_and_says_why(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, what: str
) -> None:
    card_gateway = gateway(simulator, timeout_seconds=1)
    card = CardFactory.create(**({"iccid": "1234567890123456789"} if what == "unknown" else {}))
    not_due(redis, card)
    trigger = ask_for(card)
    if what == "fails":
        simulator.fault(path="/c/northwind", kind="error", share=1)
    elif what == "disabled":
        type(card_gateway).objects.update(is_enabled=False)
    elif what == "none":
        type(card_gateway).objects.update(is_default=False)
    elif what == "paused":
        PauseFactory.create(task_type=TYPE)
        assert Pause.objects.exists()
    elif what == "deleted":
        Card.objects.update(deleted_at=timezone.now())

    run(redis, runtime)

    failures = {
        "unknown": "the gateway does not know the card",
        "fails": "the gateway gave no answer",
        "disabled": "its gateway is disabled or paused, or there is none",
        "none": "its gateway is disabled or paused, or there is none",
        "paused": "the check is paused",
        "deleted": "the card does not want this check",
    }
    assert results_of(trigger, [card]) == [("failed", failures[what])]
    assert state_of(trigger) == ("finished", 0, 1)


def test_trigger_of_a_parked_card_fails(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    not_due(redis, card)
    redis.zrem(keys.queue(TYPE), str(card.pk))
    redis.zadd(keys.parked(TYPE), {str(card.pk): 1})

    trigger = ask_for(card)
    run(redis, runtime)

    assert asked_iccids(simulator) == []
    ((status, reason),) = results_of(trigger, [card])
    assert status == "failed"
    assert reason.startswith("parked")


def test_local_check_can_be_triggered(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    from tests.factories import SubscriptionFactory

    GatewayFactory.create()
    card = CardFactory.create()
    SubscriptionFactory.create(card=card)
    Seeder(redis).run()
    redis.zadd(keys.queue("package"), {str(card.pk): time.time() + 3600})

    trigger = ask_for(card, check_type=CheckType.PACKAGE)
    run(redis, runtime)

    assert state_of(trigger) == ("finished", 1, 0)


def test_single_triggers_go_before_batches(redis: Redis) -> None:
    batch, single = [CardFactory.create() for _ in range(3)], CardFactory.create()
    ask_for(*batch)
    ask_for(single)

    assert redis.lrange(keys.manual(TYPE), 0, -1) == [str(card.pk) for card in [single, *batch]]


def test_check_without_an_interval_can_be_triggered(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    PollingConfig.objects.update(carddata_check_interval=None)
    Seeder(redis).run()

    trigger = ask_for(card)
    run(redis, runtime)

    assert state_of(trigger) == ("finished", 1, 0)
    assert redis.zcard(keys.queue(TYPE)) == 0
