"""A correction takes usage back from the subscriptions that counted it, whatever has changed in the meantime."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from cards import lifecycle, subscriptions, usage_partitions, usage_recording
from cards.meter import Reading, Tariff
from cards.models import Card, Device, Plan, PlanCycle, Subscription
from cards.subscriptions import Owner
from cards.usage_recording import MeteredReading
from carriers.models import Carrier
from tests.factories import CardFactory, CarrierFactory, DeviceFactory, PlanFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def carrier() -> Carrier:
    usage_partitions.make_ahead(NOON.date())
    carrier: Carrier = CarrierFactory.create(time_zone="UTC", billing_day=1)
    return carrier


@dataclass(frozen=True)
class Fleet:
    """A device with two cards that share its plan, and an empty device with a plan that is as old."""

    odd: Card
    other: Card
    device: Device
    empty: Device
    plan: Plan


@pytest.fixture
def fleet(carrier: Carrier) -> Fleet:
    plan = PlanFactory.create(quota_mb=10**6)
    device, empty = DeviceFactory.create_batch(2)
    terms = {
        "carrier": carrier,
        "plan": plan,
        "starts_at": BEGIN - 90 * 24 * HOUR,
        "period_start": BEGIN.date(),
    }
    for owned in (device, empty):
        SubscriptionFactory.create(card=None, device=owned, **terms)
    odd, other = CardFactory.create_batch(2, device=device, carrier=carrier)
    return Fleet(odd, other, device, empty, plan)


def read(card: Card, raw: str, at: datetime) -> None:
    tariff = Tariff(card.carrier.calendar, is_lifetime=False, carrier_id=card.carrier_id)
    with transaction.atomic():
        usage_recording.record([MeteredReading(card.pk, Reading(Decimal(raw), at), tariff)], now=at)


def main_of(owner: Card | Device) -> Subscription:
    lookup = {"card": owner} if isinstance(owner, Card) else {"device": owner}
    return Subscription.objects.get(**lookup, kind="main", ends_at=None)


def replace_plan(fleet: Fleet, now: datetime) -> Device:
    subscriptions.start(Owner(fleet.odd.carrier, device=fleet.device), fleet.plan, now=now)
    return fleet.device


def move_both(fleet: Fleet, now: datetime) -> Device:
    lifecycle.change([fleet.odd.pk, fleet.other.pk], device_id=fleet.empty.pk, cause="test", now=now)
    return fleet.empty


def end_own_plan(fleet: Fleet, now: datetime) -> Device:
    """Let the odd card count on a plan of its own until now."""
    subscriptions.end([main_of(fleet.odd).pk], now=now)
    return fleet.device


@pytest.mark.parametrize("change", [replace_plan, move_both, end_own_plan])
def test_correction_leaves_the_usage_of_other_cards(
    fleet: Fleet, change: Callable[[Fleet, datetime], Device]
) -> None:
    if change is end_own_plan:
        subscriptions.start(Owner.of_card(fleet.odd), fleet.plan, now=BEGIN)
    read(fleet.odd, "30.2", NOON)
    read(fleet.odd, "30.3", NOON + HOUR)
    read(fleet.odd, "30200", NOON + 2 * HOUR)
    read(fleet.other, "10", NOON + 2 * HOUR)
    owner = change(fleet, NOON + 3 * HOUR)
    before = main_of(owner).used_mb
    read(fleet.odd, "30300", NOON + 4 * HOUR)
    read(fleet.other, "310", NOON + 4 * HOUR)

    read(fleet.odd, "30.5", NOON + 5 * HOUR)

    assert main_of(owner).used_mb == before + 300


def test_correction_takes_all_back_from_an_unchanged_plan(fleet: Fleet) -> None:
    read(fleet.odd, "30.2", NOON)
    read(fleet.odd, "30.3", NOON + HOUR)
    read(fleet.odd, "30200", NOON + 2 * HOUR)
    read(fleet.other, "10", NOON + 2 * HOUR)

    read(fleet.odd, "30.5", NOON + 3 * HOUR)

    assert main_of(fleet.device).used_mb == Decimal("40.5")


@pytest.mark.parametrize(("starts_before", "counted"), [(timedelta(days=60), 10_000), (12 * HOUR, 0)])
def test_first_reading_moves_only_to_an_older_plan(
    carrier: Carrier, starts_before: timedelta, counted: int
) -> None:
    card = CardFactory.create(carrier=carrier)
    starts_at = BEGIN - starts_before
    terms = {"carrier": carrier, "starts_at": starts_at, "period_start": starts_at.date()}
    SubscriptionFactory.create(card=card, plan=PlanFactory.create(cycle=PlanCycle.DAYS_360), **terms)

    read(card, "10000", BEGIN + HOUR)
    read(card, "10020", BEGIN + 4 * HOUR)
    read(card, "0.1", BEGIN + 8 * HOUR)

    assert main_of(card).used_mb == counted + Decimal("20.1")
