"""Which subscriptions usage counts on: decided purely, then stored by the batch."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from cards import subscription_usage, subscriptions
from cards.models import Plan, PlanCycle, Subscription
from cards.subscriptions import Owner
from cards.usage_allocation import Account, Growth, counted, in_charge
from carriers.cycles import BillingCalendar
from tests.factories import CardFactory, DeviceFactory, PlanFactory, SubscriptionFactory

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
MAIN = Account(
    id=1,
    is_own=True,
    is_main=True,
    allowance_mb=Decimal(100),
    used_mb=Decimal(0),
    period_start=date(2026, 5, 1),
    starts_at=datetime(2026, 1, 1, tzinfo=UTC),
    ends_at=None,
    cycle=PlanCycle.MONTH,
    calendar=BillingCalendar("Asia/Shanghai", 1),
    quota_version=1,
)
ADD_ON = replace(MAIN, id=2, is_main=False, allowance_mb=Decimal(50), ends_at=NOW + timedelta(days=3))
SHARED = replace(MAIN, id=3, is_own=False)


def used(accounts: list[Account], growth: Growth) -> dict[int, Decimal]:
    return {account.id: account.used_mb for account in counted(accounts, growth)}


def grown(added: int, **options: datetime) -> Growth:
    return Growth(9, Decimal(added), options.pop("measured_at", NOW), **options)


def test_what_runs_out_first_is_used_up_first_and_the_main_one_takes_the_rest() -> None:
    accounts = in_charge([MAIN, ADD_ON], NOW)

    assert [account.id for account in accounts] == [2, 1]
    assert used(accounts, grown(30)) == {2: 30, 1: 0}
    assert used(accounts, grown(80)) == {2: 50, 1: 30}
    assert used(accounts, grown(170)) == {2: 50, 1: 120}


def test_an_add_on_that_lasts_beyond_the_period_is_used_after_the_plan() -> None:
    lasting = replace(ADD_ON, ends_at=NOW + timedelta(days=60))

    assert used(in_charge([lasting, MAIN], NOW), grown(120)) == {1: 100, 2: 20}
    assert used(in_charge([replace(lasting, ends_at=None), MAIN], NOW), grown(170)) == {1: 120, 2: 50}


@given(st.lists(st.integers(0, 300), max_size=8), st.integers(0, 200), st.integers(0, 200))
def test_every_megabyte_is_counted_once(growths: list[int], quota: int, extra: int) -> None:
    accounts = [replace(MAIN, allowance_mb=Decimal(quota)), replace(ADD_ON, allowance_mb=Decimal(extra))]

    for growth in growths:
        accounts = counted(in_charge(accounts, NOW), grown(growth))

    total = sum(account.used_mb for account in accounts)
    add_on = next(account for account in accounts if not account.is_main)
    assert total == sum(growths)
    assert add_on.used_mb <= add_on.allowance_mb
    # Over its quota is exactly who used more than all allowances together.
    main = next(account for account in accounts if account.is_main)
    assert (main.used_mb > main.allowance_mb) == (total > quota + extra)


def test_a_cards_own_plan_goes_before_its_devices() -> None:
    assert [account.id for account in in_charge([SHARED, MAIN], NOW)] == [1]


def test_an_add_on_without_a_plan_leaves_the_device_in_charge() -> None:
    assert [account.id for account in in_charge([SHARED, ADD_ON], NOW)] == [3]
    assert in_charge([ADD_ON], NOW) == []


@pytest.mark.parametrize(
    ("starts", "ends", "counts"), [(-1, None, True), (0, None, True), (1, None, False), (-9, 0, False)]
)
def test_only_what_was_in_force_when_it_was_measured_counts(
    starts: int, ends: int | None, counts: bool
) -> None:
    account = replace(
        MAIN,
        starts_at=NOW + timedelta(hours=starts),
        ends_at=None if ends is None else NOW + timedelta(hours=ends),
    )

    assert bool(in_charge([account], NOW)) is counts


def test_a_new_period_begins_at_zero_also_when_nothing_was_used() -> None:
    main = replace(MAIN, used_mb=Decimal(90))
    june = datetime(2026, 6, 1, 9, tzinfo=UTC)

    [after] = counted(in_charge([main], june), grown(0, measured_at=june))

    assert (after.period_start, after.used_mb) == (date(2026, 6, 1), 0)


def test_an_add_on_is_one_amount_however_many_months_it_lasts() -> None:
    half_used = replace(ADD_ON, ends_at=None, used_mb=Decimal(40))
    june = datetime(2026, 6, 1, 9, tzinfo=UTC)

    assert {account.id: account.used_mb for account in in_charge([MAIN, half_used], june)}[2] == 40


def test_a_late_reading_of_a_period_that_has_ended_counts_nothing() -> None:
    main = replace(MAIN, period_start=date(2026, 6, 1), used_mb=Decimal(7))

    assert used(in_charge([main], NOW), grown(30)) == {1: 7}


@pytest.mark.parametrize(
    ("account", "corrected"),
    [
        (replace(MAIN, cycle=PlanCycle.DAYS_90, period_start=date(2026, 4, 2)), BillingCalendar("UTC", 1)),
        (MAIN, BillingCalendar("Asia/Shanghai", 20)),
        (MAIN, BillingCalendar("America/New_York", 28)),
    ],
)
def test_nothing_is_lost_when_a_carriers_calendar_is_corrected(
    account: Account, corrected: BillingCalendar
) -> None:
    after = replace(account, calendar=corrected)
    total = Decimal(0)

    for day in range(60):
        moment = NOW + timedelta(days=day)
        before = after.at(moment).used_mb
        [after] = counted(in_charge([after], moment), grown(5, measured_at=moment))
        total += after.used_mb - before

    assert total == 300


def test_days_count_from_the_local_day_of_the_start() -> None:
    quarter = replace(MAIN, cycle=PlanCycle.DAYS_90, starts_at=datetime(2026, 1, 31, 17, tzinfo=UTC))

    assert quarter.period_of(NOW) == date(2026, 5, 2)
    assert quarter.period_of(NOW - timedelta(days=9)) == date(2026, 2, 1)


@pytest.mark.parametrize(("starts", "expected"), [(1, 300), (10, 0)])
def test_a_first_reading_counts_when_the_plan_is_as_old_as_the_cycle(starts: int, expected: int) -> None:
    begin = datetime(2026, 4, 30, 16, tzinfo=UTC)
    main = replace(MAIN, starts_at=datetime(2026, 5, starts, tzinfo=UTC) if starts > 1 else begin)

    assert used(in_charge([main], NOW), grown(300, since=begin)) == {1: expected}


@pytest.mark.django_db
class TestStored:
    """The same, in PostgreSQL."""

    def amounts(self) -> dict[int, Decimal]:
        return dict(Subscription.objects.values_list("pk", "used_mb"))

    def test_cards_of_one_device_add_to_what_they_share(self) -> None:
        device = DeviceFactory.create()
        shared = SubscriptionFactory.create(card=None, device=device)
        inside = [CardFactory.create(device=device) for _ in range(2)]
        card, without = CardFactory.create(), CardFactory.create()
        alone = SubscriptionFactory.create(card=card)

        with transaction.atomic():
            subscription_usage.count(
                [Growth(card.pk, Decimal("1.5"), NOW) for card in (*inside, card, without)]
            )

        assert self.amounts() == {shared.pk: 3, alone.pk: Decimal("1.5")}

    def test_the_quota_that_counts_decides_what_is_used_first(self) -> None:
        card = CardFactory.create()
        main = SubscriptionFactory.create(card=card, quota_mb=1000, virtual_quota_mb=10)
        lasting = SubscriptionFactory.create(card=card, kind="add_on", quota_mb=5)

        subscription_usage.count([Growth(card.pk, Decimal(12), NOW)])

        assert self.amounts() == {main.pk: 10, lasting.pk: 2}

    def test_a_replaced_plan_keeps_what_was_used_before_it_ended(self) -> None:
        card = CardFactory.create()
        old = SubscriptionFactory.create(card=card, ends_at=NOW)
        new = SubscriptionFactory.create(card=card, starts_at=NOW)

        subscription_usage.count([Growth(card.pk, Decimal(1), NOW - timedelta(minutes=1))])
        subscription_usage.count([Growth(card.pk, Decimal(2), NOW + timedelta(minutes=1))])

        assert self.amounts() == {old.pk: 1, new.pk: 2}

    def test_a_monthly_plan_follows_its_carriers_billing_day(self) -> None:
        card = CardFactory.create()
        main = SubscriptionFactory.create(
            card=card,
            carrier__code="late",
            carrier__billing_day=15,
            period_start=date(2026, 4, 15),
            used_mb=8,
        )

        subscription_usage.count([Growth(card.pk, Decimal(1), NOW)])
        assert self.amounts() == {main.pk: 9}
        subscription_usage.count([Growth(card.pk, Decimal(2), NOW + timedelta(days=5))])

        main.refresh_from_db()
        assert (main.used_mb, main.period_start) == (2, date(2026, 5, 15))

    def test_a_plan_that_is_changed_is_for_subscriptions_to_come(self) -> None:
        card = CardFactory.create()
        main = SubscriptionFactory.create(card=card, used_mb=5)
        Plan.objects.update(cycle=PlanCycle.DAYS_90, quota_mb=1)

        subscription_usage.count([Growth(card.pk, Decimal(7), NOW)])

        assert self.amounts() == {main.pk: 12}

    def test_readings_of_one_batch_count_in_the_order_of_time(self) -> None:
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

    def test_a_plan_of_90_days_goes_on_over_months(self) -> None:
        card = CardFactory.create()
        main = SubscriptionFactory.create(
            card=card,
            plan=PlanFactory.create(cycle=PlanCycle.DAYS_90),
            period_start=date(2026, 4, 1),
            used_mb=8,
        )

        subscription_usage.count([Growth(card.pk, Decimal(1), NOW)])

        assert self.amounts() == {main.pk: 9}


@pytest.mark.django_db(transaction=True)
def test_a_reading_that_waits_for_a_change_of_plan_counts_on_the_new_one() -> None:
    card = CardFactory.create()
    old = SubscriptionFactory.create(card=card)
    changed_at = timezone.now() - timedelta(seconds=5)
    counted_after, failed = Event(), list[BaseException]()

    def read() -> None:
        try:
            with transaction.atomic():
                subscription_usage.count([Growth(card.pk, Decimal(7), timezone.now())])
        except BaseException as error:  # noqa: BLE001 (told below)
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
