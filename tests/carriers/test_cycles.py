from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.cycles import BillingCalendar, cycles_between, shifted

ZONES = [
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/New_York",
    "Pacific/Apia",
    "Asia/Beirut",
    "America/Havana",
    "Australia/Lord_Howe",
]
CALENDARS = st.builds(BillingCalendar, st.sampled_from(ZONES), st.integers(1, 28))
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


def test_cycle_begins_at_local_midnight_of_the_billing_day() -> None:
    calendar = BillingCalendar("Asia/Shanghai", 15)

    assert calendar.start_of(date(2026, 3, 15)) == datetime(2026, 3, 14, 16, tzinfo=UTC)
    assert calendar.cycle_of(datetime(2026, 3, 14, 15, 59, 59, tzinfo=UTC)) == date(2026, 2, 15)
    assert calendar.cycle_of(datetime(2026, 3, 14, 16, tzinfo=UTC)) == date(2026, 3, 15)


def test_cycle_may_begin_in_the_previous_year() -> None:
    assert BillingCalendar("UTC", 28).cycle_of(datetime(2026, 1, 5, tzinfo=UTC)) == date(2025, 12, 28)


def test_skipped_midnight_is_the_instant_of_the_clock_change() -> None:
    # Beirut moved its clocks from 00:00 to 01:00 on 30 March 2025.
    calendar = BillingCalendar("Asia/Beirut", 28)
    skipped = date(2025, 3, 30)

    assert calendar.start_of(skipped) == datetime(2025, 3, 29, 22, tzinfo=UTC)


@given(calendar=CALENDARS, moment=MOMENTS)
def test_every_moment_is_within_its_cycle(calendar: BillingCalendar, moment: datetime) -> None:
    cycle = calendar.cycle_of(moment)

    begin, end = calendar.bounds_of(cycle)
    assert begin <= moment < end


@given(calendar=CALENDARS, moment=MOMENTS)
def test_nearest_boundary_is_at_most_half_a_month_away(calendar: BillingCalendar, moment: datetime) -> None:
    assert 0 <= calendar.seconds_to_nearest_boundary(moment) <= timedelta(days=15.6).total_seconds()


@given(
    start=st.dates(date(2010, 1, 1), date(2030, 1, 1)), months=st.integers(-40, 40), day=st.integers(1, 28)
)
def test_shifting_and_counting_agree(start: date, months: int, day: int) -> None:
    cycle = start.replace(day=day)

    assert cycles_between(cycle, shifted(cycle, months)) == months


@pytest.mark.parametrize(
    ("months", "expected"), [(1, date(2027, 1, 28)), (-12, date(2025, 12, 28)), (0, date(2026, 12, 28))]
)
def test_shifting_crosses_years(months: int, expected: date) -> None:
    assert shifted(date(2026, 12, 28), months) == expected
