from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cards.meter import Doubt, Meter, Reading, Restart, Step, Tariff
from cards.metering import advance, is_worth_recording
from carriers.cycles import BillingCalendar

UTC_FIRST = BillingCalendar("UTC", 1)
PER_CYCLE = Tariff(UTC_FIRST, is_lifetime=False)
LIFETIME = Tariff(UTC_FIRST, is_lifetime=True)
WITNESSED = replace(PER_CYCLE, restarted_cycle=date(2026, 6, 1))
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
BOUNDARY = datetime(2026, 6, 1, tzinfo=UTC)


def mb(text: str) -> Decimal:
    return Decimal(text)


def reading(raw: str, at: datetime) -> Reading:
    return Reading(mb(raw), at)


def after(*readings: Reading, tariff: Tariff = PER_CYCLE) -> Step:
    step = advance(None, readings[0], tariff)
    for following in readings[1:]:
        step = advance(step.meter, following, tariff)
    return step


def test_first_reading_of_a_restarting_counter_is_the_usage() -> None:
    step = after(reading("7.5", NOON))

    meter = Meter(date(2026, 5, 1), mb("7.5"), mb("7.5"), NOON, restart=Restart.LIKELY)
    assert step == Step(meter, delta_mb=mb("7.5"), first_mb=mb("7.5"))


def test_first_reading_just_after_the_boundary_may_be_of_the_previous_cycle() -> None:
    early = after(reading("900", BOUNDARY + timedelta(hours=1)))
    later = advance(early.meter, reading("905", BOUNDARY + timedelta(hours=101)), PER_CYCLE)
    known = advance(None, reading("900", BOUNDARY + timedelta(hours=1)), WITNESSED)

    assert (early.meter.used_mb, early.meter.low_mb) == (900, 0)
    assert early.meter.doubt is Doubt.BOUNDARY_NOT_SEEN
    assert (later.meter.used_mb, later.meter.is_certain) == (905, True)
    assert known.meter.is_certain


def test_counter_after_a_gap_is_the_usage_if_other_cards_restarted() -> None:
    before = after(reading("900", BOUNDARY - timedelta(days=3))).meter
    following = reading("1000", BOUNDARY + timedelta(days=3))

    alone = advance(before, following, PER_CYCLE)
    witnessed = advance(before, following, WITNESSED)

    assert (alone.meter.low_mb, alone.meter.used_mb, alone.meter.high_mb) == (0, 100, 1000)
    assert (witnessed.meter.used_mb, witnessed.meter.is_certain) == (1000, True)
    assert witnessed.meter.last_month_total_mb == 900


def test_wrong_unit_that_is_taken_back_leaves_no_doubt() -> None:
    wrong = after(reading("30", NOON), reading("30200", NOON + timedelta(hours=1)))
    right = advance(wrong.meter, reading("30.5", NOON + timedelta(hours=2)), PER_CYCLE)

    assert wrong.meter.doubt is Doubt.SUDDEN_RISE
    assert (right.meter.used_mb, right.meter.is_certain) == (mb("30.5"), True)


def test_doubt_about_a_rise_follows_its_usage_to_the_previous_cycle() -> None:
    step = after(
        reading("40", BOUNDARY - timedelta(hours=2)),
        reading("40", BOUNDARY - timedelta(hours=1)),
        reading("41", BOUNDARY + timedelta(hours=1)),
        reading("9000", BOUNDARY + timedelta(hours=2)),
        reading("0.5", BOUNDARY + timedelta(hours=8)),
    )

    assert step.meter.last_month_total_mb == 9000
    assert step.meter.last_over_mb == 8959


def test_total_survives_a_billing_day_moved_within_the_month() -> None:
    at = datetime(2026, 5, 27, 12, tzinfo=UTC)
    before = after(reading("600", at - timedelta(days=20)), reading("610", at)).meter
    corrected = Tariff(BillingCalendar("UTC", 28, UTC_FIRST.change_at(at)), is_lifetime=False)

    step = advance(before, reading("611", at + timedelta(days=1)), corrected)

    assert (step.meter.cycle_start, step.meter.last_month_total_mb) == (date(2026, 5, 28), 610)


def test_counter_of_another_carrier_is_counted_by_its_growth() -> None:
    old, new = replace(PER_CYCLE, carrier_id=1), replace(LIFETIME, carrier_id=2)
    before = advance(None, reading("4.045", NOON), old).meter

    moved = advance(before, reading("80004", NOON + timedelta(hours=1)), new)
    grown = advance(moved.meter, reading("80005.5", NOON + timedelta(hours=2)), new)

    assert (moved.meter.used_mb, moved.delta_mb) == (mb("4.045"), 0)
    assert (grown.meter.used_mb, grown.delta_mb) == (mb("5.545"), mb("1.5"))


def test_corrected_billing_day_applies_from_the_next_boundary() -> None:
    at = datetime(2026, 5, 27, 12, tzinfo=UTC)
    before = after(
        reading("500", datetime(2026, 5, 18, 20, tzinfo=UTC)),
        reading("7", datetime(2026, 5, 19, 1, tzinfo=UTC)),
        reading("300", at),
        tariff=Tariff(BillingCalendar("UTC", 19), is_lifetime=False),
    ).meter

    meter, totals, calendar = before, [], BillingCalendar("UTC", 19)
    for days, raw, billing_day in (
        (0, "301", 25),
        (1, "302", 19),
        (2, "303", 25),
        (28, "900", 25),
        (29, "4", 25),
    ):
        day = at + timedelta(days=days)
        if billing_day != calendar.billing_day:
            calendar = BillingCalendar("UTC", billing_day, calendar.change_at(day))
        meter = advance(
            meter, reading(raw, day + timedelta(hours=1)), Tariff(calendar, is_lifetime=False)
        ).meter
        totals.append((meter.cycle_start.isoformat(), meter.used_mb, meter.last_month_total_mb))

    assert totals == [
        ("2026-05-19", 301, 500),
        ("2026-05-19", 302, 500),
        ("2026-05-19", 303, 500),
        ("2026-05-19", 900, 500),
        ("2026-06-25", 4, 900),
    ]


def test_first_reading_of_a_lifetime_counter_is_not_usage() -> None:
    assert after(reading("7.5", NOON), tariff=LIFETIME).meter.used_mb == 0


@pytest.mark.parametrize("tariff", [PER_CYCLE, LIFETIME])
def test_increase_is_added(tariff: Tariff) -> None:
    step = after(reading("10", NOON), reading("12.5", NOON + timedelta(hours=1)), tariff=tariff)

    assert step.delta_mb == mb("2.5")
    assert step.meter.used_mb == (mb("2.5") if tariff.is_lifetime else mb("12.5"))


@pytest.mark.parametrize(
    ("raw", "at"), [("10", NOON), ("99", NOON - timedelta(seconds=1))], ids=["repeated", "late"]
)
def test_repeated_or_late_reading_changes_nothing(raw: str, at: datetime) -> None:
    before = after(reading("10", NOON)).meter

    assert advance(before, reading(raw, at), PER_CYCLE) == Step(before)


def test_higher_counter_with_the_same_stamp_is_news() -> None:
    step = after(reading("10", NOON), reading("12", NOON))

    assert (step.meter.used_mb, step.delta_mb) == (12, 2)


def test_zero_of_a_stopped_card_changes_nothing() -> None:
    before = after(reading("10", NOON)).meter

    assert advance(before, Reading(Decimal(0), BOUNDARY, is_stopped=True), PER_CYCLE) == Step(before)


def test_new_cycle_keeps_the_total_of_the_previous_one() -> None:
    step = after(
        reading("900", BOUNDARY - timedelta(hours=1)),
        reading("0.2", BOUNDARY + timedelta(minutes=1)),
        reading("0.5", BOUNDARY + timedelta(hours=1)),
    )

    assert step.meter.cycle_start == date(2026, 6, 1)
    assert (step.meter.used_mb, step.meter.last_month_total_mb) == (mb("0.5"), mb("900"))


def test_cycles_without_readings_count_as_zero() -> None:
    step = after(reading("900", NOON), reading("20", NOON + timedelta(days=61)))

    assert (step.meter.used_mb, step.meter.last_month_total_mb) == (mb("20"), 0)


def test_growth_of_a_lifetime_counter_over_a_boundary_is_split() -> None:
    step = after(
        reading("5000", BOUNDARY - timedelta(hours=30)),
        reading("5010", BOUNDARY - timedelta(hours=1)),
        reading("5011", BOUNDARY + timedelta(hours=1)),
        tariff=LIFETIME,
    )

    assert (step.meter.used_mb, step.meter.last_month_total_mb) == (mb("0.5"), mb("10.5"))
    assert step.meter.is_certain


@pytest.mark.parametrize("dropped", ["99.2", "99.0"])
def test_small_drop_is_jitter_and_its_recovery_is_not_usage(dropped: str) -> None:
    dip = after(reading("100", NOON), reading(dropped, NOON + timedelta(minutes=1)))
    recovered = advance(dip.meter, reading("100.5", NOON + timedelta(minutes=2)), PER_CYCLE)

    assert (dip.meter.used_mb, dip.delta_mb, dip.meter.is_suspect) == (100, 0, False)
    assert (recovered.meter.used_mb, recovered.delta_mb) == (mb("100.5"), mb("0.5"))


def test_large_drop_in_mid_cycle_is_flagged_and_not_accepted() -> None:
    step = after(reading("100", NOON), reading("3", NOON + timedelta(minutes=1)))

    assert step.meter.is_suspect
    assert (step.meter.used_mb, step.meter.raw_mb, step.delta_mb) == (100, 100, 0)


def test_glitch_that_recovers_leaves_no_trace() -> None:
    step = after(
        reading("100", NOON),
        reading("3", NOON + timedelta(minutes=1)),
        reading("101", NOON + timedelta(minutes=2)),
    )

    assert not step.meter.is_suspect
    assert (step.meter.used_mb, step.delta_mb) == (101, 1)


def test_drop_that_lasts_10_minutes_is_a_replaced_counter() -> None:
    early = after(
        reading("100", NOON - timedelta(minutes=1)),
        reading("100", NOON),
        reading("3", NOON + timedelta(minutes=1)),
        reading("4", NOON + timedelta(minutes=10, seconds=59)),
    )
    accepted = advance(early.meter, reading("5", NOON + timedelta(minutes=11)), PER_CYCLE)
    grown = advance(accepted.meter, reading("120", NOON + timedelta(minutes=30)), PER_CYCLE)

    assert early.meter.is_suspect
    assert not accepted.meter.is_suspect
    assert (accepted.meter.used_mb, accepted.meter.raw_mb, accepted.delta_mb) == (105, 5, 5)
    assert (accepted.meter.doubt, accepted.meter.low_mb) == (Doubt.COUNTER_REPLACED, 100)
    assert (grown.meter.used_mb, grown.delta_mb) == (220, 115)


def test_replaced_lifetime_counter_counts_on_from_zero() -> None:
    step = after(
        reading("100", NOON),
        reading("110", NOON + timedelta(minutes=1)),
        reading("3", NOON + timedelta(minutes=2)),
        reading("4", NOON + timedelta(minutes=12)),
        reading("6", NOON + timedelta(minutes=13)),
        tariff=LIFETIME,
    )

    assert step.meter.used_mb == 16


def test_early_reset_begins_the_new_cycle_early() -> None:
    step = after(
        reading("900", BOUNDARY - timedelta(hours=8)),
        reading("0.5", BOUNDARY - timedelta(hours=5)),
        reading("0.9", BOUNDARY + timedelta(hours=1)),
    )

    assert step.meter.cycle_start == date(2026, 6, 1)
    assert (step.meter.used_mb, step.meter.last_month_total_mb) == (mb("0.9"), 900)


def test_late_reset_neither_loses_nor_carries_over_usage() -> None:
    not_yet = after(
        reading("900", BOUNDARY - timedelta(hours=1)), reading("901", BOUNDARY + timedelta(hours=1))
    )
    still_not = advance(not_yet.meter, reading("950", BOUNDARY + timedelta(hours=2)), PER_CYCLE)
    reset = advance(still_not.meter, reading("0.3", BOUNDARY + timedelta(hours=3)), PER_CYCLE)

    assert (not_yet.meter.used_mb, not_yet.meter.last_month_total_mb) == (1, 900)
    assert still_not.meter.used_mb == 50
    assert (reset.meter.used_mb, reset.meter.last_month_total_mb) == (mb("0.3"), 950)
    assert (reset.delta_mb, reset.last_delta_mb) == (mb("-49.7"), 50)


def test_counter_that_does_not_restart_is_counted_by_its_growth() -> None:
    overtaken = after(
        reading("100", BOUNDARY - timedelta(hours=1)), reading("150", BOUNDARY + timedelta(hours=5))
    )
    single = advance(overtaken.meter, reading("2000", BOUNDARY + timedelta(days=20)), PER_CYCLE)
    doubtful = advance(single.meter, reading("2010", BOUNDARY + timedelta(days=21)), PER_CYCLE)

    assert (overtaken.meter.used_mb, overtaken.meter.doubt) == (50, None)
    assert (single.meter.used_mb, single.delta_mb) == (1900, 1850)
    assert single.meter.doubt is Doubt.NOT_RESTARTED
    assert (single.meter.low_mb, single.meter.high_mb) == (50, 2000)
    assert (doubtful.meter.low_mb, doubtful.meter.high_mb) == (1910, 2010)


def test_card_first_read_before_a_late_reset_restarts_at_zero() -> None:
    step = after(reading("900", BOUNDARY + timedelta(hours=1)), reading("0.3", BOUNDARY + timedelta(hours=3)))

    assert (step.meter.used_mb, step.delta_mb) == (mb("0.3"), mb("-899.7"))
    assert (step.meter.last_month_total_mb, step.last_delta_mb) == (900, 900)


def test_lower_counter_is_followed_after_two_days() -> None:
    step = after(
        reading("1000", NOON),
        reading("995", NOON + timedelta(hours=1)),
        reading("995", NOON + timedelta(hours=49)),
        reading("998", NOON + timedelta(hours=50)),
    )

    assert (step.meter.used_mb, step.delta_mb) == (1003, 3)


def test_only_changes_and_first_reading_of_a_day_are_recorded() -> None:
    first = after(reading("10", NOON)).meter

    def is_recorded(raw: str, later: timedelta) -> bool:
        return is_worth_recording(first, advance(first, reading(raw, NOON + later), PER_CYCLE).meter)

    assert is_worth_recording(None, first)
    assert is_recorded("10.001", timedelta(minutes=1))
    assert is_recorded("5", timedelta(minutes=1))
    assert is_recorded("10", timedelta(days=1))
    assert not is_recorded("10", timedelta(minutes=1))
    assert not is_recorded("9.95", timedelta(minutes=1))
    assert not is_recorded("10", timedelta())


STEPS = st.lists(st.tuples(st.integers(1, 1440), st.integers(0, 2400)), min_size=1, max_size=60)


@given(start=st.integers(0, 10**6), steps=STEPS)
def test_usage_of_a_lifetime_counter_is_the_sum_of_increases(
    start: int, steps: list[tuple[int, int]]
) -> None:
    at, raw = NOON, Decimal(start)
    meter = advance(None, Reading(raw, at), LIFETIME).meter
    total, in_cycle, cycle = Decimal(0), Decimal(0), meter.cycle_start
    for minutes, grown in steps:
        at, raw = at + timedelta(minutes=minutes), raw + grown
        step = advance(meter, Reading(raw, at), LIFETIME)
        meter, total = step.meter, total + step.delta_mb
        in_cycle = in_cycle + grown if meter.cycle_start == cycle else Decimal(grown)
        cycle = meter.cycle_start

    assert total == raw - start
    assert meter.used_mb == in_cycle


@example(
    # The third reading is held in a new cycle, and the fourth has an earlier stamp.
    readings=[
        (Decimal("0.000"), datetime(2026, 1, 1, tzinfo=UTC)),
        (Decimal("0.001"), datetime(2026, 1, 1, tzinfo=UTC)),
        (Decimal("0.000"), datetime(2026, 4, 1, tzinfo=UTC)),
        (Decimal("0.002"), datetime(2026, 1, 1, tzinfo=UTC)),
        (Decimal("0.000"), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        (Decimal("0.003"), datetime(2026, 3, 15, tzinfo=UTC)),
    ],
    is_lifetime=True,
)
@given(
    readings=st.lists(
        st.tuples(
            st.decimals(0, 10**9, places=3, allow_nan=False),
            st.datetimes(datetime(2026, 1, 1), datetime(2026, 4, 1), timezones=st.just(UTC)),
        ),
        min_size=1,
        max_size=40,
    ),
    is_lifetime=st.booleans(),
)
def test_changes_add_up_to_usage_that_is_never_negative(
    readings: list[tuple[Decimal, datetime]], is_lifetime: bool
) -> None:
    tariff = Tariff(BillingCalendar("Asia/Shanghai", 15), is_lifetime)
    meter: Meter | None = None
    changes: Counter[date] = Counter()
    for raw, at in readings:
        step = advance(meter, Reading(raw, at), tariff)
        changes[step.meter.cycle_start] += step.delta_mb  # type: ignore[assignment]
        assert step.meter.used_mb == changes[step.meter.cycle_start]
        assert step.meter.used_mb >= step.meter.low_mb >= 0
        assert step.meter.over_mb >= 0
        assert step.meter.last_over_mb >= 0
        assert step.meter.under_mb >= 0
        assert meter is None or step.meter.measured_at >= meter.measured_at
        meter = step.meter
