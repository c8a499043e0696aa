"""Usage is added to the right subscriptions in PostgreSQL."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from cards import subscription_usage, subscriptions
from cards.models import Plan, PlanCycle, Subscription
from cards.subscriptions import Owner
from cards.usage_allocation import Growth
from tests.factories import CardFactory, DeviceFactory, PlanFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


def used_by_id() -> dict[int, Decimal]:
    return dict(Subscription.objects.values_list("pk", "used_mb"))


def test_cards_of_one_device_count_on_its_subscription() -> None:
    device = DeviceFactory.create()
    shared = SubscriptionFactory.create(card=None, device=device)
    inside = [CardFactory.create(device=device) for _ in range(2)]
    card, without = CardFactory.create(), CardFactory.create()
    alone = SubscriptionFactory.create(card=card)

    with transaction.atomic():
        subscription_usage.count([Growth(card.pk, Decimal("1.5"), NOW) for card in (*inside, card, without)])

    assert used_by_id() == {shared.pk: 3, alone.pk: Decimal("1.5")}


def test_virtual_quota_limits_what_counts_on_the_main_plan() -> None:
    card = CardFactory.create()
    main = SubscriptionFactory.create(card=card, quota_mb=1000, virtual_quota_mb=10)
    lasting = SubscriptionFactory.create(card=card, kind="add_on", quota_mb=5)

    subscription_usage.count([Growth(card.pk, Decimal(12), NOW)])

    assert used_by_id() == {main.pk: 10, lasting.pk: 2}


def test_usage_counts_on_the_plan_in_force_when_it_was_measured() -> None:
    card = CardFactory.create()
    old = SubscriptionFactory.create(card=card, ends_at=NOW)
    new = SubscriptionFactory.create(card=card, starts_at=NOW)

    subscription_usage.count([Growth(card.pk, Decimal(1), NOW - timedelta(minutes=1))])
    subscription_usage.count([Growth(card.pk, Decimal(2), NOW + timedelta(minutes=1))])

    assert used_by_id() == {old.pk: 1, new.pk: 2}


def test_monthly_plan_follows_its_carriers_billing_day() -> None:
    card = CardFactory.create()
    main = SubscriptionFactory.create(
        card=card,
        carrier__code="late",
        carrier__billing_day=15,
        period_start=date(2026, 4, 15),
        used_mb=8,
    )

    subscription_usage.count([Growth(card.pk, Decimal(1), NOW)])
    assert used_by_id() == {main.pk: 9}
    subscription_usage.count([Growth(card.pk, Decimal(2), NOW + timedelta(days=5))])

    main.refresh_from_db()
    assert (main.used_mb, main.period_start) == (2, date(2026, 5, 15))


def test_change_of_a_plan_does_not_affect_a_subscription() -> None:
    card = CardFactory.create()
    main = SubscriptionFactory.create(card=card, used_mb=5)
    Plan.objects.update(cycle=PlanCycle.DAYS_90, quota_mb=1)

    subscription_usage.count([Growth(card.pk, Decimal(7), NOW)])

    assert used_by_id() == {main.pk: 12}


def test_readings_of_a_batch_count_in_the_order_of_time() -> None:
    device = DeviceFactory.create()
    late, early = (CardFactory.create(device=device) for _ in range(2))
    shared = SubscriptionFactory.create(card=None, device=device, period_start=date(2026, 5, 1))
    turn = datetime(2026, 5, 31, 16, tzinfo=UTC)

    subscription_usage.count(
        [
            Growth(late.pk, Decimal(2), turn + timedelta(minutes=1)),
            Growth(early.pk, Decimal(60), turn - timedelta(minutes=1)),
        ]
    )

    shared.refresh_from_db()
    assert (shared.used_mb, shared.period_start) == (2, date(2026, 6, 1))


def test_plan_of_90_days_continues_over_months() -> None:
    card = CardFactory.create()
    main = SubscriptionFactory.create(
        card=card,
        plan=PlanFactory.create(cycle=PlanCycle.DAYS_90),
        period_start=date(2026, 4, 1),
        used_mb=8,
    )

    subscription_usage.count([Growth(card.pk, Decimal(1), NOW)])

    assert used_by_id() == {main.pk: 9}


@pytest.mark.django_db(transaction=True)
def test_reading_during_a_change_of_plan_counts_on_the_new_plan() -> None:
    card = CardFactory.create()
    old = SubscriptionFactory.create(card=card)
    changed_at = timezone.now() - timedelta(seconds=5)
    counted_after, failed = Event(), list[BaseException]()

    def read() -> None:
        try:
            with transaction.atomic():
                subscription_usage.count([Growth(card.pk, Decimal(7), timezone.now())])
        except BaseException as error:  # noqa: BLE001 (asserted below)
            failed.append(error)
        counted_after.set()
        connection.close()

    with transaction.atomic():
        new = subscriptions.start(Owner.of_card(card), old.plan, now=changed_at)
        reader = Thread(target=read)
        reader.start()
        assert not counted_after.wait(0.5)
    reader.join(10)

    assert failed == []
    assert dict(Subscription.objects.values_list("pk", "used_mb")) == {old.pk: 0, new.pk: 7}
