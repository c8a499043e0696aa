"""The package check is due after a change of the period, the plan or the usage."""

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import cast

import pytest
from django.utils import timezone
from redis import Redis

from cards import subscriptions
from cards.models import Card, CardUsage, CheckState, ServiceOrder, Subscription
from cards.subscriptions import Owner
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.planning.seed import Seeder
from polling.schedule import keys
from tests.factories import (
    CardFactory,
    CarrierFactory,
    PauseFactory,
    PlanFactory,
    SubscriptionFactory,
)
from tests.support.draining import drain, gateway
from tests.support.quota import states, subscription

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]
TYPE = "package"


def test_new_period_begins_with_nothing_used(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("1001", state="over")
    Subscription.objects.update(period_start=row.period_start - timedelta(days=40))

    drain(redis, runtime)

    assert states() == ["normal"]
    assert not ServiceOrder.objects.exists()


def test_card_with_a_new_plan_is_scheduled_at_once(redis: Redis, runtime: WorkerRuntime) -> None:
    ending, card = subscription("10"), CardFactory.create()
    Seeder(redis).run()
    assert redis.zrange(keys.queue(TYPE), 0, -1) == [str(ending.card_id)]

    subscriptions.end([ending.pk], now=timezone.now())
    subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=timezone.now())

    assert redis.zrange(keys.queue(TYPE), 0, -1) == [str(card.pk)]
    assert Drain(redis, runtime, Random(1)).run() > 0
    assert CheckState.objects.filter(type=TYPE).get().card_id == card.pk


def test_more_quota_is_checked_at_once(redis: Redis, runtime: WorkerRuntime) -> None:
    subscription("1001")
    drain(redis, runtime)
    assert states() == ["over"]

    card = Card.objects.get()
    subscriptions.add(Owner.of_card(card), PlanFactory.create(), now=timezone.now(), ends_at=None)
    Drain(redis, runtime, Random(1)).run()

    assert states()[0] == "normal"


def test_more_usage_hastens_the_check(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    # The first reading of a day hastens the check too, so let no day begin during this test.
    CarrierFactory.create(time_zone=_zone_at_noon())
    gateway(simulator)
    card = CardFactory.create()
    SubscriptionFactory.create(card=card, starts_at=timezone.now() - timedelta(days=400))
    drain(redis, runtime)
    usage = CardUsage.objects.get()

    def due_in() -> float:
        return cast(float, redis.zscore(keys.queue(TYPE), str(card.pk))) - redis.time()[0]

    def read_again(counter_before: Decimal) -> None:
        CardUsage.objects.update(
            raw_mb=counter_before,
            used_mb=counter_before,
            measured_at=usage.measured_at - timedelta(hours=1),
            suspect_raw_mb=None,
            suspect_since=None,
        )
        redis.zadd(keys.queue("carddata"), {str(card.pk): 1})
        redis.zadd(keys.queue(TYPE), {str(card.pk): redis.time()[0] + 900})
        Drain(redis, runtime, Random(1)).run()

    # The carrier's counter is not above the stored value, so the check is not hastened.
    read_again(usage.raw_mb + 1)
    assert 800 < due_in() < 1000
    read_again(Decimal(1))
    # The check is due within seconds, or the drain has already made the check.
    assert due_in() < 6 or due_in() > 1500


def _zone_at_noon() -> str:
    # The name of the zone with UTC+3 is "Etc/GMT-3".
    return f"Etc/GMT{timezone.now().hour - 12:+d}"


def test_card_that_loses_its_plan_during_a_pause_is_unscheduled(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("1001")
    PauseFactory.create(task_type=TYPE)

    drain(redis, runtime)
    assert not CheckState.objects.exists()

    Subscription.objects.filter(pk=row.pk).update(ends_at=timezone.now())
    redis.zadd(keys.queue(TYPE), {str(row.card_id): 1})
    Drain(redis, runtime, Random(1)).run()
    assert redis.zcard(keys.queue(TYPE)) == 0
