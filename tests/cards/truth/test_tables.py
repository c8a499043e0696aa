"""The stories of test_cases.py through the real tables: records, meter and subscription show the same usage."""

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from cards import meter_store, usage_partitions, usage_recording
from cards.models import Card, PlanCycle, Subscription, UsageRecord
from cards.usage_recording import MeteredReading
from carriers.cycles import BillingCalendar
from carriers.models import Carrier
from tests.cards.truth.test_cases import CASES, told
from tests.factories import CardFactory, DeviceFactory, PlanFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

START = datetime(2026, 4, 1, tzinfo=UTC)
PLENTY = Decimal(10**9)


def subscribe(kind: str) -> Card:
    """Create a card with a monthly plan, alone or shared, with an add-on, or with a plan of 360 days."""
    card = CardFactory.create()
    cycle = PlanCycle.DAYS_360 if kind == "360 days" else PlanCycle.MONTH
    plan = PlanFactory.create(quota_mb=100 if kind == "add-on" else PLENTY, cycle=cycle)
    terms = {"carrier": card.carrier, "starts_at": START, "period_start": START.date()}
    if kind == "device":
        card.device = DeviceFactory.create(agent=card.agent)
        card.save()
        SubscriptionFactory.create(card=None, device=card.device, plan=plan, **terms)
    else:
        SubscriptionFactory.create(card=card, plan=plan, **terms)
    if kind == "add-on":
        SubscriptionFactory.create(card=card, kind="add_on", quota_mb=PLENTY, plan=plan, **terms)
    return card


@pytest.mark.parametrize("kind", ["card", "device", "add-on", "360 days"])
@pytest.mark.parametrize("name", CASES)
def test_records_meter_and_subscription_show_the_same_usage(name: str, kind: str) -> None:
    now = timezone.now()
    usage_partitions.make_ahead(now.date())
    card = subscribe(kind)
    used: dict[date, Decimal] = {}

    for line in told(name):
        set_calendar(card.carrier, line.tariff.calendar)
        with transaction.atomic():
            usage_recording.record([MeteredReading(card.pk, line.reading, line.tariff)], now=now)

        meter = meter_store.meters_of([card.pk])[card.pk]
        recorded = recorded_of(card)
        assert recorded[meter.cycle_start] == meter.used_mb
        assert recorded[meter.last_cycle] == meter.last_month_total_mb
        main = Subscription.objects.get(kind="main")
        used[main.period_start] = main.used_mb
        added = sum(Subscription.objects.filter(kind="add_on").values_list("used_mb", flat=True), Decimal(0))
        if kind in {"card", "device"}:
            assert main.used_mb == meter.used_mb
        elif kind == "360 days" or not returned_in_earlier_cycle(card, meter.cycle_start):
            # Usage that moves to the previous month stays in a period or an add-on that is longer than a month.
            # A monthly period that is over is not corrected any more.
            assert sum(used.values()) + added == sum(recorded.values())
    corrections = UsageRecord.objects.filter(delta_mb__lt=0)
    assert all(record.reason in {"restarted", "returned", "other_counter"} for record in corrections)


def set_calendar(carrier: Carrier, calendar: BillingCalendar) -> None:
    change = calendar.change
    Carrier.objects.filter(pk=carrier.pk).update(
        time_zone=calendar.time_zone,
        billing_day=calendar.billing_day,
        calendar_changed_at=change and change.at,
        changed_in_cycle=change and change.running_cycle,
        time_zone_before=change.time_zone if change else "",
    )


def returned_in_earlier_cycle(card: Card, cycle: date) -> bool:
    corrections = UsageRecord.objects.filter(card_id=card.pk, reason="returned", delta_mb__lt=0)
    return corrections.filter(cycle_start__lt=cycle).exists()


def recorded_of(card: Card) -> dict[date | None, Decimal]:
    """Return cycle -> the sum of the records' changes."""
    sums: dict[date | None, Decimal] = defaultdict(Decimal)
    for cycle, delta in UsageRecord.objects.filter(card_id=card.pk).values_list("cycle_start", "delta_mb"):
        sums[cycle] += delta
    return sums
