"""Which subscriptions a card's usage counts towards, and how much of the usage each subscription takes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.meter import Reading, Tariff
from cards.metering import advance
from cards.models import PlanCycle
from cards.usage_allocation import Allowance, Growth, allocate_usage, applicable, growths_of
from cards.usage_bounds import EXACT, Bounds
from carriers.cycles import BillingCalendar

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
MAIN = Allowance(
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


def used(allowances: list[Allowance], growth: Growth) -> dict[int, Decimal]:
    return {allowance.id: allowance.used_mb for allowance in allocate_usage(allowances, growth)}


def grown(added: int, *, measured_at: datetime = NOW, since: datetime | None = None) -> Growth:
    return Growth(9, Decimal(added), measured_at, since)


def test_first_to_expire_is_used_first_and_main_takes_the_rest() -> None:
    allowances = applicable([MAIN, ADD_ON], NOW)

    assert [allowance.id for allowance in allowances] == [2, 1]
    assert used(allowances, grown(30)) == {2: 30, 1: 0}
    assert used(allowances, grown(80)) == {2: 50, 1: 30}
    assert used(allowances, grown(170)) == {2: 50, 1: 120}


def test_correction_is_taken_back_in_reverse_order() -> None:
    full = applicable([replace(MAIN, used_mb=Decimal(120)), replace(ADD_ON, used_mb=Decimal(50))], NOW)

    assert used(full, grown(-15)) == {2: 50, 1: 105}
    assert used(full, grown(-60)) == {2: 50, 1: 60}
    assert used(full, grown(-140)) == {2: 30, 1: 0}
    assert used(full, grown(-999)) == {2: 0, 1: 0}


def test_add_on_that_outlasts_the_period_is_used_after_the_plan() -> None:
    lasting = replace(ADD_ON, ends_at=NOW + timedelta(days=60))

    assert used(applicable([lasting, MAIN], NOW), grown(120)) == {1: 100, 2: 20}
    assert used(applicable([replace(lasting, ends_at=None), MAIN], NOW), grown(170)) == {1: 120, 2: 50}


@given(st.lists(st.integers(0, 300), max_size=8), st.integers(0, 200), st.integers(0, 200))
def test_every_megabyte_is_counted_once(growths: list[int], quota: int, extra: int) -> None:
    allowances = [replace(MAIN, allowance_mb=Decimal(quota)), replace(ADD_ON, allowance_mb=Decimal(extra))]

    for growth in growths:
        allowances = allocate_usage(applicable(allowances, NOW), grown(growth))

    total = sum(allowance.used_mb for allowance in allowances)
    add_on = next(allowance for allowance in allowances if not allowance.is_main)
    assert total == sum(growths)
    assert add_on.used_mb <= add_on.allowance_mb
    # The main subscription is over its quota if and only if the usage exceeds the sum of all allowances.
    main = next(allowance for allowance in allowances if allowance.is_main)
    assert (main.used_mb > main.allowance_mb) == (total > quota + extra)


def test_own_plan_takes_precedence_over_the_devices() -> None:
    assert [allowance.id for allowance in applicable([SHARED, MAIN], NOW)] == [1]


def test_usage_counts_on_the_device_if_the_card_has_no_plan() -> None:
    assert [allowance.id for allowance in applicable([SHARED, ADD_ON], NOW)] == [3]
    assert applicable([ADD_ON], NOW) == []


@pytest.mark.parametrize(
    ("starts", "ends", "counts"), [(-1, None, True), (0, None, True), (1, None, False), (-9, 0, False)]
)
def test_only_allowances_in_force_when_measured_apply(starts: int, ends: int | None, counts: bool) -> None:
    allowance = replace(
        MAIN,
        starts_at=NOW + timedelta(hours=starts),
        ends_at=None if ends is None else NOW + timedelta(hours=ends),
    )

    assert bool(applicable([allowance], NOW)) is counts


def test_new_period_begins_at_zero_even_without_usage() -> None:
    main = replace(MAIN, used_mb=Decimal(90))
    june = datetime(2026, 6, 1, 9, tzinfo=UTC)

    [after] = allocate_usage(applicable([main], june), grown(0, measured_at=june))

    assert (after.period_start, after.used_mb) == (date(2026, 6, 1), 0)


def test_add_on_does_not_restart_in_a_new_period() -> None:
    half_used = replace(ADD_ON, ends_at=None, used_mb=Decimal(40))
    june = datetime(2026, 6, 1, 9, tzinfo=UTC)

    assert {allowance.id: allowance.used_mb for allowance in applicable([MAIN, half_used], june)}[2] == 40


def test_late_reading_of_an_ended_period_counts_nothing() -> None:
    main = replace(MAIN, period_start=date(2026, 6, 1), used_mb=Decimal(7))

    assert used(applicable([main], NOW), grown(30)) == {1: 7}


@pytest.mark.parametrize(
    ("allowance", "corrected"),
    [
        (replace(MAIN, cycle=PlanCycle.DAYS_90, period_start=date(2026, 4, 2)), BillingCalendar("UTC", 1)),
        (MAIN, BillingCalendar("Asia/Shanghai", 20)),
        (MAIN, BillingCalendar("America/New_York", 28)),
    ],
)
def test_corrected_calendar_loses_no_usage(allowance: Allowance, corrected: BillingCalendar) -> None:
    after = replace(allowance, calendar=corrected)
    total = Decimal(0)

    for day in range(60):
        moment = NOW + timedelta(days=day)
        before = after.at(moment).used_mb
        [after] = allocate_usage(applicable([after], moment), grown(5, measured_at=moment))
        total += after.used_mb - before

    assert total == 300


def test_period_of_90_days_counts_from_the_local_start_day() -> None:
    quarter = replace(MAIN, cycle=PlanCycle.DAYS_90, starts_at=datetime(2026, 1, 31, 17, tzinfo=UTC))

    assert quarter.period_of(NOW) == date(2026, 5, 2)
    assert quarter.period_of(NOW - timedelta(days=9)) == date(2026, 2, 1)


@pytest.mark.parametrize(("starts", "expected"), [(1, 300), (10, 0)])
def test_first_reading_counts_if_the_plan_is_as_old_as_the_cycle(starts: int, expected: int) -> None:
    begin = datetime(2026, 4, 30, 16, tzinfo=UTC)
    main = replace(MAIN, starts_at=datetime(2026, 5, starts, tzinfo=UTC) if starts > 1 else begin)

    assert used(applicable([main], NOW), grown(300, since=begin)) == {1: expected}


BOUNDARY = datetime(2026, 4, 30, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("allowance", "expected"),
    [
        (replace(MAIN, used_mb=Decimal(60)), 5),
        (replace(MAIN, used_mb=Decimal(60), cycle=PlanCycle.DAYS_90, period_start=date(2026, 4, 2)), 65),
    ],
    ids=["month", "90 days"],
)
def test_usage_moved_to_last_month_stays_in_longer_periods(allowance: Allowance, expected: int) -> None:
    correction = Growth(9, Decimal(-55), NOW, earlier_mb=Decimal(60), boundary=BOUNDARY)

    assert used(applicable([allowance], NOW), correction) == {1: expected}


def test_usage_moved_to_last_month_stays_in_an_add_on() -> None:
    half_used = replace(ADD_ON, used_mb=Decimal(40), starts_at=BOUNDARY - timedelta(days=3))
    correction = Growth(9, Decimal(-35), NOW, earlier_mb=Decimal(40), boundary=BOUNDARY)

    assert used(applicable([MAIN, half_used], NOW), correction) == {1: 0, 2: 45}


def test_correction_of_an_uncounted_first_reading_takes_nothing_back() -> None:
    late = BOUNDARY + timedelta(hours=7)
    tariff = Tariff(MAIN.calendar, is_lifetime=False)
    readings = [
        Reading(Decimal(raw), BOUNDARY + timedelta(hours=hours))
        for raw, hours in ((900, 1), (910, 3), (5, 7))
    ]
    owned = [replace(MAIN, starts_at=BOUNDARY + timedelta(minutes=30))]

    meter, totals = None, []
    for reading in readings:
        step = advance(meter, reading, tariff)
        for growth in growths_of(9, meter, step, tariff.calendar):
            owned = allocate_usage(applicable(owned, late), growth)
        meter = step.meter
        totals.append(owned[0].used_mb)

    assert totals == [0, 10, 5]


LONG = replace(MAIN, cycle=PlanCycle.DAYS_90, period_start=date(2026, 3, 2))


@pytest.mark.parametrize(
    ("allowances", "kept"),
    [
        ([MAIN], {}),
        ([replace(LONG, starts_at=datetime(2026, 3, 2, tzinfo=UTC))], {1: (30, 7)}),
        ([MAIN, replace(ADD_ON, starts_at=BOUNDARY - timedelta(days=40))], {2: (30, 7)}),
    ],
    ids=["month", "90 days", "add-on"],
)
def test_forgotten_bounds_stay_with_the_longer_period(
    allowances: list[Allowance], kept: dict[int, tuple[int, int]]
) -> None:
    tariff = Tariff(MAIN.calendar, is_lifetime=False)
    before = replace(
        advance(None, Reading(Decimal(900), BOUNDARY - timedelta(hours=1)), tariff).meter,
        last_month_total_mb=Decimal(500),
        last_over_mb=Decimal(30),
        last_under_mb=Decimal(7),
    )
    step = advance(before, Reading(Decimal(2), NOW), tariff)

    (growth,) = growths_of(9, before, step, tariff.calendar)
    after = allocate_usage(applicable(allowances, NOW), growth)

    bounds = {allowance.id: allowance.bounds for allowance in after}
    assert {pk: (b.over_mb, b.under_mb) for pk, b in bounds.items() if b != EXACT} == kept


def test_new_period_is_certain() -> None:
    uncertain = replace(MAIN, period_start=date(2026, 4, 1), bounds=Bounds(Decimal(30), Decimal(7)))

    assert uncertain.at(NOW).bounds == EXACT
