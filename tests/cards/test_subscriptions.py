"""Subscriptions of cards and devices are started, replaced, topped up and ended."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from cards import subscriptions
from cards.models import Card, Subscription
from cards.subscriptions import Owner
from common.errors import DomainError
from tests.factories import CardFactory, CarrierFactory, DeviceFactory, PlanFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


@pytest.fixture
def card() -> Card:
    card: Card = CardFactory.create()
    return card


def test_subscription_copies_quotas_and_begins_in_present_period(card: Card) -> None:
    plan = PlanFactory.create(quota_mb=100, virtual_quota_mb=95)

    started = subscriptions.start(Owner.of_card(card), plan, now=NOW)
    plan.quota_mb = 1
    plan.save()

    started.refresh_from_db()
    assert (started.quota_mb, started.virtual_quota_mb, started.allowance_mb) == (100, 95, 95)
    assert (started.period_start, started.quota_version) == (date(2026, 5, 1), 1)


def test_new_plan_ends_the_old_one_and_grows_the_quota_version(card: Card) -> None:
    first = subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=NOW)
    second = subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=NOW + timedelta(days=1))

    first.refresh_from_db()
    assert (first.ends_at, second.ends_at, second.quota_version) == (NOW + timedelta(days=1), None, 2)
    assert list(Subscription.objects.in_force_at(NOW + timedelta(days=2))) == [second]
    assert list(Subscription.objects.in_force_at(NOW)) == [first]


def test_start_and_end_of_an_add_on_grow_the_quota_version(card: Card) -> None:
    main = subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=NOW)
    added = subscriptions.add(
        Owner.of_card(card),
        PlanFactory.create(),
        now=NOW,
        ends_at=NOW + timedelta(days=9),
        quota_mb=Decimal(5),
    )
    assert (added.quota_mb, added.kind) == (5, "add_on")

    assert subscriptions.end([added.pk], now=NOW + timedelta(days=1)) == [added.pk]
    assert subscriptions.end([added.pk], now=NOW + timedelta(days=2)) == []

    main.refresh_from_db()
    assert main.quota_version == 3


def test_quota_version_is_never_reused(card: Card) -> None:
    first = subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=NOW)
    subscriptions.end([first.pk], now=NOW)

    assert subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=NOW).quota_version == 2


def test_own_plan_takes_a_card_out_of_its_devices_plan() -> None:
    device = DeviceFactory.create()
    shared = SubscriptionFactory.create(card=None, device=device)
    own = subscriptions.start(Owner.of_card(CardFactory.create(device=device)), PlanFactory.create(), now=NOW)
    subscriptions.end([own.pk], now=NOW + timedelta(days=1))

    shared.refresh_from_db()
    assert shared.quota_version == 3


def test_add_on_without_a_plan_is_refused(card: Card) -> None:
    with pytest.raises(DomainError, match="needs a plan"):
        subscriptions.add(Owner.of_card(card), PlanFactory.create(), now=NOW, ends_at=None)

    assert not Subscription.objects.exists()


def test_deleted_card_gets_no_plan(card: Card) -> None:
    Card.objects.filter(pk=card.pk).update(deleted_at=NOW)

    with pytest.raises(DomainError, match="deleted"):
        subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=NOW)

    assert not Subscription.objects.exists()


def test_starting_a_plan_sends_a_signal_for_the_owners_cards(card: Card, signals: list[list[int]]) -> None:
    device = DeviceFactory.create()
    inside = [CardFactory.create(device=device).pk for _ in range(2)]
    CardFactory.create(device=device, deleted_at=NOW)

    subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=NOW)
    subscriptions.start(Owner(CarrierFactory.create(), device=device), PlanFactory.create(), now=NOW)

    assert [sorted(ids) for ids in signals] == [[card.pk], inside]
