"""How plans, devices and pauses affect a drain against the gateway simulator."""

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, cast

import pytest
from django.utils import timezone
from redis import Redis

from cards.models import Card, CardUsage, CheckState, Subscription
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.models import ClassCensus, Pause
from polling.planning import pauses
from polling.planning.reconcile import Reconciler
from polling.planning.seed import Seeder
from polling.schedule import keys
from tests.factories import (
    CardFactory,
    CarrierFactory,
    DeviceFactory,
    GatewayFactory,
    SubscriptionFactory,
    UserFactory,
)
from tests.support.draining import TYPE, drain, gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def test_first_reading_and_later_growth_count_on_the_plan(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    old = SubscriptionFactory.create(card=card)

    drain(redis, runtime)
    usage, counted = CardUsage.objects.get(), Subscription.objects.get()
    assert counted.pk == old.pk
    assert counted.used_mb == usage.used_mb > 0

    half = (usage.raw_mb / 2).quantize(Decimal("0.001"))
    before = usage.measured_at - timedelta(minutes=1)
    CardUsage.objects.update(used_mb=half, raw_mb=half, measured_at=before)
    redis.zadd(keys.queue(TYPE), {str(card.pk): 1})
    drain(redis, runtime)

    assert Subscription.objects.get().used_mb - counted.used_mb == CardUsage.objects.get().used_mb - half


def test_plan_from_today_counts_only_usage_after_its_start(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    SubscriptionFactory.create(starts_at=timezone.now())

    drain(redis, runtime)

    assert CardUsage.objects.get().used_mb > 0
    assert Subscription.objects.get().used_mb == 0


def test_all_cards_of_a_device_count_on_their_shared_plan(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    device = DeviceFactory.create()
    SubscriptionFactory.create(card=None, device=device)
    for _ in range(3):
        CardFactory.create(device=device)

    drain(redis, runtime)

    assert Subscription.objects.get().used_mb == sum(usage.used_mb for usage in CardUsage.objects.all())


@pytest.mark.parametrize("scope", ["task_type", "carrier", "gateway"])
def test_pause_defers_only_its_cards_and_counts_nothing(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, scope: str
) -> None:
    paused_gateway = gateway(simulator)
    paused = CardFactory.create()
    other_carrier = CarrierFactory.create(code="bluepeak", name="Bluepeak")
    gateway(simulator, carrier=other_carrier, name="other")
    other = CardFactory.create(carrier=other_carrier)
    targets: dict[str, Any] = {
        "task_type": TYPE,
        "carrier": paused_gateway.carrier,
        "gateway": paused_gateway,
    }
    until = timezone.now() + timedelta(hours=2)
    Pause.objects.create(**{scope: targets[scope]}, reason="works", owner=UserFactory.create(), until=until)

    drain(redis, runtime)

    assert not CheckState.objects.filter(card=paused).exists()
    assert CheckState.objects.filter(card=other).exists() is (scope != "task_type")
    seconds = cast(float, redis.zscore(keys.queue(TYPE), str(paused.pk))) - redis.time()[0]
    assert seconds >= 7190
    counted = redis.hgetall(keys.stats(TYPE))
    assert int(counted.get("failed", 0)) == 0
    assert redis.hlen(keys.claims(TYPE)) == 0


def test_cards_return_within_a_minute_when_a_pause_ends_early(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    cards = [CardFactory.create().pk for _ in range(20)]
    until = timezone.now() + timedelta(days=7)
    pause = Pause.objects.create(
        task_type=TYPE, reason="works", owner=UserFactory.create(), created_at=timezone.now(), until=until
    )
    drain(redis, runtime)
    seconds = [cast(float, redis.zscore(keys.queue(TYPE), str(pk))) - redis.time()[0] for pk in cards]
    week = 7 * 86_400
    # The due times are spread, so that not all cards are due at once when the pause ends by itself.
    assert week - 10 <= min(seconds) < max(seconds) - 20 <= week + 50

    pauses.end([pause])
    pause.delete()
    assert Reconciler(redis).run() == 20
    Drain(redis, runtime, Random(1)).run()

    assert CheckState.objects.filter(checked_at__isnull=False).count() == 20


def test_end_of_a_pause_reschedules_only_its_own_cards(redis: Redis) -> None:
    card, other = CardFactory.create(), CardFactory.create(carrier=CarrierFactory.create(code="bluepeak"))
    Seeder(redis).run()
    owner, until = UserFactory.create(), timezone.now() + timedelta(days=7)

    def rescheduled_by(**target: Any) -> list[int]:
        """End a pause of `target`, and return the ids of the carriers whose cards are rescheduled."""
        before = dict(ClassCensus.objects.values_list("carrier", "carddata_interval"))
        pauses.end([Pause(reason="x", owner=owner, until=until, **target)])
        after = dict(ClassCensus.objects.values_list("carrier", "carddata_interval"))
        ClassCensus.objects.update(carddata_interval=1800)
        return sorted(carrier for carrier in before if after[carrier] != before[carrier])

    assert rescheduled_by(carrier=card.carrier) == [card.carrier_id]
    assert rescheduled_by(gateway=GatewayFactory.create(carrier=other.carrier)) == [other.carrier_id]
    assert rescheduled_by(task_type=TYPE) == sorted([card.carrier_id, other.carrier_id])
    assert rescheduled_by(task_type="realname") == rescheduled_by(task_type="stop_start") == []


def test_past_or_future_pause_pauses_nothing(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    CardFactory.create()
    owner, now = UserFactory.create(), timezone.now()
    for begin, end in ((-2, -1), (1, 2)):
        Pause.objects.create(
            task_type=TYPE,
            reason="works",
            owner=owner,
            created_at=now + timedelta(hours=begin),
            until=now + timedelta(hours=end),
        )

    drain(redis, runtime)

    assert CheckState.objects.get().failures == 0


def test_each_seeding_counts_the_cards_of_each_profile(redis: Redis) -> None:
    cards = [CardFactory.create() for _ in range(3)]
    CardFactory.create(deleted_at=timezone.now())
    Seeder(redis).run()
    assert list(ClassCensus.objects.values_list("carrier", "status", "enable_polling", "cards")) == [
        (cards[0].carrier_id, Card.Status.ACTIVATED, True, 3)
    ]

    Card.objects.filter(pk=cards[0].pk).update(enable_polling=False)
    Seeder(redis).run()

    assert sorted(ClassCensus.objects.values_list("enable_polling", "cards")) == [(False, 1), (True, 2)]
