"""The benchmark's baseline writes the same rows as the engine, and production does not know its task."""

from datetime import timedelta
from decimal import Decimal

import pytest
from redis import Redis

from cards.models import CardUsage, CheckState, Subscription, UsageRecord
from lab.benchmark.baseline.checking import check_card
from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from tests.factories import CardFactory, SubscriptionFactory
from tests.support.draining import TYPE, drain, gateway


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("ready_to_drain")
def test_baseline_writes_what_the_engine_writes(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    SubscriptionFactory.create(card=card)
    drain(redis, runtime)
    states = CheckState.objects.filter(card=card, type=TYPE)
    state, usage, counted = states.get(), CardUsage.objects.get(), Subscription.objects.get()
    half = (usage.raw_mb / 2).quantize(Decimal("0.001"))
    CardUsage.objects.update(used_mb=half, raw_mb=half, measured_at=usage.measured_at - timedelta(minutes=1))
    states.update(error="busy", failures=3, failing_since=usage.measured_at)

    check_card(card.pk)

    after, record = CardUsage.objects.get(), UsageRecord.objects.latest("recorded_at")
    truth = simulator.truth(card.iccid, after.measured_at)
    assert str(after.raw_mb) == str(after.used_mb) == truth["used_mb"]
    assert (record.raw_mb, record.used_mb, record.delta_mb) == (
        after.raw_mb, after.used_mb, after.used_mb - half,
    )  # fmt: skip
    assert Subscription.objects.get().used_mb - counted.used_mb == after.used_mb - half
    checked = states.get()
    assert checked.checked_at is not None
    assert state.checked_at is not None
    assert checked.checked_at > state.checked_at
    assert (checked.error, checked.failures, checked.failing_since) == ("", 0, None)


def test_production_does_not_know_the_baseline_task() -> None:
    from config.celery import app as production
    from lab.benchmark.baseline.app import app

    assert "baseline.check" in app.tasks
    assert "baseline.check" not in production.tasks
