"""A person accepts the carrier's counter or keeps the usage, and meter, records and subscription follow."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Operation
from cards import meter_store, usage_partitions
from cards.meter import Before, Doubt, Meter, Reading, Restart, Suspect, Tariff, Uncertainty
from cards.meter_decisions import Decision, decide, decided
from cards.metering import advance
from cards.models import Card, CardEvent, CardUsage, Subscription, UsageRecord
from carriers.cycles import BillingCalendar
from tests.factories import CardFactory, SubscriptionFactory, UserFactory
from tests.support.admin_forms import post

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
TARIFF = Tariff(BillingCalendar("UTC", 1), is_lifetime=False)
METER = Meter(date(2026, 5, 1), Decimal(300), Decimal(300), NOW, restart=Restart.SEEN)


def meter(**changes: Any) -> Meter:
    return replace(METER, **changes)


@pytest.mark.parametrize(
    ("uncertain", "accepted", "kept", "raw"),
    [
        ({"suspect": Suspect(Decimal(5000), NOW)}, 5000, 300, 5000),
        ({"suspect": Suspect(Decimal(20), NOW)}, 320, 300, 20),
        (
            {
                "raw_mb": Decimal(3300),
                "restart": Restart.AWAITED,
                "uncertainty": Uncertainty(Doubt.NOT_RESTARTED, NOW, under_mb=Decimal(3000)),
            },
            3300, 300, 3300,
        ),
        (
            {
                "raw_mb": Decimal(1000),
                "restart": Restart.MISSED,
                "uncertainty": Uncertainty(Doubt.BOUNDARY_NOT_SEEN, NOW, Decimal(300), Decimal(700)),
            },
            1000, 300, 1000,
        ),
        ({"uncertainty": Uncertainty(Doubt.COUNTER_REPLACED, NOW, over_mb=Decimal(200))}, 300, 300, 300),
    ],
    ids=["rise", "drop", "not restarted", "gap", "replaced"],
)  # fmt: skip
def test_decision_makes_usage_certain(uncertain: dict[str, Any], accepted: int, kept: int, raw: int) -> None:
    accept = decided(meter(**uncertain), Decision.ACCEPT_COUNTER)
    keep = decided(meter(**uncertain), Decision.KEEP_USAGE)

    assert (accept.meter.used_mb, accept.delta_mb) == (accepted, accepted - 300)
    assert (keep.meter.used_mb, keep.delta_mb) == (kept, 0)
    assert accept.meter.is_certain
    assert keep.meter.is_certain
    assert accept.meter.raw_mb == keep.meter.raw_mb == raw


def test_doubted_rise_is_taken_back_or_accepted() -> None:
    before = Before(Decimal("0.3"), Decimal("0.3"), Decimal(0), Restart.SEEN, NOW)
    doubt = Uncertainty(Doubt.SUDDEN_RISE, NOW, over_mb=Decimal("299.7"))

    accept = decided(meter(before=before, uncertainty=doubt), Decision.ACCEPT_COUNTER)
    keep = decided(meter(before=before, uncertainty=doubt), Decision.KEEP_USAGE)

    assert (accept.meter.used_mb, accept.delta_mb, accept.meter.is_certain) == (300, 0, True)
    assert (keep.meter.used_mb, keep.delta_mb, keep.meter.is_certain) == (
        Decimal("0.3"), Decimal("-299.7"), True,
    )  # fmt: skip
    back = advance(keep.meter, Reading(Decimal("0.5"), NOW + timedelta(hours=2)), TARIFF)
    assert (back.meter.used_mb, back.meter.is_certain) == (Decimal("0.5"), True)
    still = advance(keep.meter, Reading(Decimal(310), NOW + timedelta(hours=2)), TARIFF)
    assert (still.meter.low_mb, still.meter.doubt) == (Decimal("0.3"), Doubt.SUDDEN_RISE)


@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize("odd", [5000, 0], ids=["rise", "drop"])
def test_decision_is_undone_if_the_counter_returns(decision: Decision, odd: int) -> None:
    suspect = Suspect(Decimal(odd), NOW + timedelta(hours=1))

    certain = decided(meter(suspect=suspect), decision).meter
    step = advance(certain, Reading(Decimal(301), NOW + timedelta(hours=2)), TARIFF)

    assert (step.meter.used_mb, step.meter.is_certain) == (301, True)


@pytest.mark.parametrize(
    ("restart", "doubt", "decision", "expected"),
    [
        ("awaited", Doubt.BOUNDARY_NOT_SEEN, Decision.ACCEPT_COUNTER, "seen"),
        ("awaited", Doubt.BOUNDARY_NOT_SEEN, Decision.KEEP_USAGE, "awaited"),
        ("awaited", Doubt.SUDDEN_RISE, Decision.ACCEPT_COUNTER, "awaited"),
        ("missed", Doubt.NOT_RESTARTED, Decision.ACCEPT_COUNTER, "seen"),
        ("missed", Doubt.NOT_RESTARTED, Decision.KEEP_USAGE, "seen"),
        ("unknown", Doubt.BOUNDARY_NOT_SEEN, Decision.KEEP_USAGE, "unknown"),
    ],
)
def test_decision_still_waits_for_a_restart_that_may_come(
    restart: str, doubt: Doubt, decision: Decision, expected: str
) -> None:
    uncertain = meter(restart=Restart(restart), uncertainty=Uncertainty(doubt, NOW, Decimal(10)))

    assert decided(uncertain, decision).meter.restart == expected


@pytest.fixture
def card(db: None) -> Card:
    usage_partitions.make_ahead(timezone.now().date())
    created: Card = CardFactory.create()
    SubscriptionFactory.create(card=created, used_mb=300)
    meter_store.store_meters({}, {created.pk: meter(suspect=Suspect(Decimal(5000), NOW))})
    return created


def test_accepted_counter_reaches_record_subscription_and_story(card: Card) -> None:
    certain = CardFactory.create()
    meter_store.store_meters({}, {certain.pk: METER})

    changed = decide([card.pk, certain.pk], Decision.ACCEPT_COUNTER, cause="admin: root", now=timezone.now())

    assert changed == [card.pk]
    assert meter_store.meters_of([card.pk])[card.pk].used_mb == 5000
    record = UsageRecord.objects.get()
    assert (record.delta_mb, record.reason) == (4700, "decided")
    assert Subscription.objects.get().used_mb == 5000
    event = CardEvent.objects.get(kind="usage")
    assert (event.before, event.after) == ("300.000 MB", "5000.000 MB")
    assert event.cause == "admin: root: accept the counter"


def test_decision_in_the_admin_is_confirmed_and_recorded(card: Card, client: Client) -> None:
    client.force_login(UserFactory.create(role="operator", is_staff=True))
    chosen = {"action": "keep_usage", "_selected_action": [CardUsage.objects.get().pk]}

    question = post(client, CardUsage, "changelist", chosen)
    assert "Keep the usage of 1 uncertain card?" in question.rendered_content
    assert "Its usage changes by +0.0 MB." in question.rendered_content
    assert not CardEvent.objects.filter(kind="usage").exists()

    post(client, CardUsage, "changelist", {**chosen, "confirmed": "yes"})
    assert meter_store.meters_of([card.pk])[card.pk].is_certain
    assert Operation.objects.get().after == {"action": "keep_usage", "card_ids": [card.pk]}


def test_viewer_may_not_decide(card: Card, client: Client) -> None:
    client.force_login(UserFactory.create(role="viewer", is_staff=True))
    chosen = {"action": "keep_usage", "_selected_action": [CardUsage.objects.get().pk], "confirmed": "yes"}

    post(client, CardUsage, "changelist", chosen)

    assert not meter_store.meters_of([card.pk])[card.pk].is_certain
    assert not Operation.objects.exists()
