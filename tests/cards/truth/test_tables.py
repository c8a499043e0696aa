"""The stories of test_cases.py through the real tables: records, meter and subscription show the same usage."""

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from cards import usage_partitions, usage_recording
from cards.models import Card, CardUsage, Subscription, UsageRecord
from cards.usage_recording import MeteredReading
from carriers.cycles import shifted
from tests.cards.truth.test_cases import CASES, readings_of
from tests.factories import CardFactory, PlanFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", CASES)
def test_records_meter_and_subscription_show_the_same_usage(name: str) -> None:
    tariff, story = CASES[name]
    now = timezone.now()
    usage_partitions.make_ahead(now.date())
    card = CardFactory.create()
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    SubscriptionFactory.create(
        card=card, starts_at=long_ago, period_start=date(2025, 1, 1), plan=PlanFactory.create(quota_mb=10**9)
    )

    for reading, _ in readings_of(story):
        with transaction.atomic():
            usage_recording.record([MeteredReading(card.pk, reading, tariff)], now=now)

        meter = CardUsage.objects.get(card=card)
        sums = _sums(card)
        assert sums[meter.cycle_start] == meter.used_mb
        assert sums[shifted(meter.cycle_start, -1)] == meter.last_month_total_mb
        assert Subscription.objects.get().used_mb == meter.used_mb
    corrections = UsageRecord.objects.filter(delta_mb__lt=0)
    assert all(record.reason in {"restarted", "returned"} for record in corrections)


def _sums(card: Card) -> dict[date | None, Decimal]:
    sums: dict[date | None, Decimal] = defaultdict(Decimal)
    for cycle, delta in UsageRecord.objects.filter(card_id=card.pk).values_list("cycle_start", "delta_mb"):
        sums[cycle] += delta
    return sums
