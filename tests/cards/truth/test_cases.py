"""Short stories of faulty counters, each with the usage that the meter must show after every reading."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from cards.meter import Meter, Reading, Tariff
from cards.metering import advance
from carriers.cycles import BillingCalendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
PER_CYCLE = Tariff(BillingCalendar("Asia/Shanghai", 1), is_lifetime=False, carrier_id=1)
LIFETIME = replace(PER_CYCLE, is_lifetime=True)
DAY_STAMPS = replace(PER_CYCLE, stamp_grain=timedelta(days=1))
LATER = replace(PER_CYCLE, restarted_cycle=date(2026, 6, 1))
DAY_19 = BillingCalendar("Asia/Shanghai", 19)
DAY_25 = BillingCalendar("Asia/Shanghai", 25, DAY_19.change_at(datetime(2026, 5, 27, 12, tzinfo=SHANGHAI)))
DAY_19_AGAIN = BillingCalendar(
    "Asia/Shanghai", 19, DAY_25.change_at(datetime(2026, 5, 28, 12, tzinfo=SHANGHAI))
)
# A name after the time -> the tariff from that reading on.
TARIFFS = {
    "moved": replace(LIFETIME, carrier_id=2),
    "moved-to-day-15": Tariff(BillingCalendar("Asia/Shanghai", 15), is_lifetime=False, carrier_id=2),
    "day-19": replace(PER_CYCLE, calendar=DAY_19),
    "day-25": replace(PER_CYCLE, calendar=DAY_25),
    "day-19-again": replace(PER_CYCLE, calendar=DAY_19_AGAIN),
    "others-restarted": LATER,
}
ACCURACY = Decimal("0.001")

# Each line: time, a tariff if it changes, counter -> used in the cycle, then `last` with the total of the previous cycle,
# `low` with what is certain, and flags.
# `doubt` and `suspect` must be set, and must not be set where they are missing.
CASES = {
    "restart a day late, idle card": (PER_CYCLE, """
        10-31 23:30 3000 -> 3000
        11-01 00:30 3000 -> 0
        11-01 06:30 3000 -> 0
        11-01 07:00 3000 -> 0
        11-02 00:30 5 -> 5 last 3000
        11-02 01:00 5 -> 5
        11-20 12:00 900 -> 900 last 3000"""),
    "restart at midnight in UTC, card in use": (PER_CYCLE, """
        05-31 23:00 900 -> 900
        06-01 01:00 905 -> 5
        06-01 05:30 950 -> 50
        06-01 06:30 960 -> 60
        06-01 07:00 965 -> 65
        06-01 08:10 0.3 -> 0.3 last 965
        06-01 12:00 3 -> 3
        06-28 12:00 280 -> 280 last 965"""),
    "one reading every 12 hours": (PER_CYCLE, """
        10-31 20:00 3000 -> 3000
        11-01 07:00 3000 -> 0
        11-01 19:00 4 -> 4 last 3000"""),
    "billing day entered as 1, in truth 5": (PER_CYCLE, """
        05-31 23:00 500 -> 500
        06-01 12:00 512 -> 12
        06-04 12:00 552 -> 52
        06-05 00:10 0.2 -> 0.2 last 552
        06-30 12:00 260 -> 260 last 552"""),
    "lifetime: two zeros, then back": (LIFETIME, """
        05-10 00:00 80000 -> 0
        05-10 00:10 0 -> 0 suspect
        05-10 00:20 0 -> 0 suspect
        05-10 00:30 80000.5 -> 0.5"""),
    "one absurd value": (PER_CYCLE, """
        05-10 12:00 100 -> 100
        05-10 12:30 999999999 -> 100 suspect
        05-10 13:00 101 -> 101
        05-10 13:40 103 -> 103
        06-01 00:20 0.1 -> 0.1 last 103"""),
    "kilobytes for megabytes once": (PER_CYCLE, """
        11-05 00:00 300 -> 300
        11-05 00:05 300000 -> 300 suspect
        11-05 00:10 300.1 -> 300.1
        11-20 12:00 900 -> 900"""),
    "jitter at the first reading of the cycle": (PER_CYCLE, """
        10-31 23:30 3000 -> 3000
        11-01 00:05 2999.9 -> 0
        11-01 02:05 0.2 -> 0.2 last 3000
        11-01 12:00 5 -> 5 last 3000"""),
    "one zero shortly before the boundary": (PER_CYCLE, """
        10-31 21:30 3000 -> 3000
        10-31 22:00 0 -> 3000 suspect
        10-31 22:30 3001 -> 3001
        11-01 00:30 0.5 -> 0.5 last 3001"""),
    "zeros after the boundary, before a late restart": (PER_CYCLE, """
        10-31 23:30 3000 -> 3000
        11-01 00:30 0 -> 0 last 3000
        11-01 01:00 3000.5 -> 0.5 last 3000 doubt
        11-01 08:10 0.3 -> 0.3 last 3000.5"""),
    "another SIM card": (PER_CYCLE, """
        11-05 00:00 300 -> 300
        11-05 00:30 0.5 -> 300 suspect
        11-05 01:00 1 -> 301 doubt
        11-15 12:00 250 -> 550 doubt
        11-29 12:00 500 -> 800 doubt"""),
    "another SIM card hours before the boundary": (PER_CYCLE, """
        10-31 12:00 300 -> 300
        10-31 12:30 1 -> 300 suspect
        10-31 23:30 50 -> 300 suspect
        11-01 00:30 2 -> 2 last 350"""),
    "32 bits overflow": (PER_CYCLE, """
        11-05 00:00 4294 -> 4294
        11-05 00:30 1 -> 4294 suspect
        11-05 01:00 2 -> 4296.967
        11-20 12:00 4000 -> 8294.967"""),
    "stamps are days": (DAY_STAMPS, """
        05-31 00:00 100 -> 100
        05-31 00:00 300 -> 300
        05-31 00:00 700 -> 700
        06-01 00:00 5 -> 5 last 700"""),
    "tiny card, late restart": (PER_CYCLE, """
        10-31 23:30 0.8 -> 0.8
        11-01 00:30 0.8 -> 0
        11-01 03:30 0 -> 0
        11-15 12:00 0.4 -> 0.4
        11-30 12:00 0.79 -> 0.79 last 0.8"""),
    "a counter that never restarts, declared per cycle": (PER_CYCLE, """
        05-20 12:00 40000 -> 40000
        06-01 03:00 40100 -> 100 doubt
        06-01 07:00 40110 -> 110 doubt
        06-01 07:30 40111 -> 111 doubt"""),
    "lifetime, not seen for three months": (LIFETIME, """
        08-01 12:00 1001 -> 0
        11-02 12:00 4001 -> 48.387 last 1000 doubt"""),
    "lifetime, read every 12 hours": (LIFETIME, """
        10-31 09:00 1000 -> 0
        10-31 21:00 1120 -> 120
        11-01 09:00 1240 -> 90 last 150
        11-01 21:00 1360 -> 210 last 150"""),
    "moves to a carrier with a lifetime counter": (PER_CYCLE, """
        05-10 12:00 3 -> 3
        05-10 18:00 4.045 -> 4.045
        05-11 12:00 moved 80004 -> 4.045
        05-11 18:00 80005.5 -> 5.545
        06-01 01:00 80005.5 -> 0 last 5.545"""),
    "moves to a carrier with another billing day": (PER_CYCLE, """
        05-18 12:00 400 -> 400
        05-19 12:00 400 -> 400
        05-20 12:00 moved-to-day-15 7000 -> 400
        05-21 12:00 7001 -> 401
        06-14 23:30 7400 -> 800
        06-15 00:30 2 -> 2 last 800"""),
    "moves over a boundary of the other carrier": (PER_CYCLE, """
        05-10 12:00 400 -> 400
        05-20 12:00 moved-to-day-15 7000 -> 0 last 400
        05-21 12:00 7001 -> 1 last 400"""),
    "billing day corrected from 19 to 25, and back": (replace(PER_CYCLE, calendar=DAY_19), """
        05-18 20:00 500 -> 500
        05-19 01:00 7 -> 7 last 500
        05-27 10:00 300 -> 300 last 500
        05-27 14:00 day-25 301 -> 301 last 500
        05-28 10:00 310 -> 310 last 500
        05-28 14:00 day-19-again 311 -> 311 last 500
        06-18 23:00 700 -> 700 last 500
        06-19 01:00 2 -> 2 last 700"""),
    "billing day corrected from 19 to 25": (replace(PER_CYCLE, calendar=DAY_19), """
        05-27 10:00 300 -> 300
        05-27 14:00 day-25 301 -> 301
        06-24 12:00 900 -> 900
        06-25 01:00 4 -> 4 last 900"""),
    "not read since before the boundary that preceded the correction": (replace(PER_CYCLE, calendar=DAY_19), """
        05-18 20:00 500 -> 500
        05-28 14:00 day-25 40 -> 40 last 500
        06-24 12:00 900 -> 900 last 500
        06-25 01:00 4 -> 4 last 900"""),
    "first read at 0, just after the boundary and before a late restart": (PER_CYCLE, """
        11-01 03:00 0 -> 0
        11-01 06:00 5 -> 5
        11-01 08:10 0.3 -> 0.3 last 5
        11-06 12:00 9 -> 9 last 5"""),
    "unused last month, late restart": (PER_CYCLE, """
        10-31 20:00 0 -> 0
        11-01 03:00 0 -> 0
        11-01 06:00 5 -> 5
        11-01 08:10 0.3 -> 0.3 last 5"""),
    "unused last month, no restart to see": (PER_CYCLE, """
        10-31 20:00 0 -> 0
        11-01 03:00 5 -> 5
        11-06 06:00 9 -> 9"""),
    "corrected by 3 % in mid-cycle": (PER_CYCLE, """
        11-10 00:00 600 -> 600
        11-10 06:00 580 -> 600 suspect
        11-10 12:00 580 -> 1180 doubt
        11-10 18:00 580.5 -> 1180.5 doubt"""),
    "corrected by 3 % near the boundary": (PER_CYCLE, """
        10-31 23:30 1200 -> 1200
        11-01 00:30 1170 -> 0 suspect
        11-01 01:00 1171 -> 0 doubt last 1200
        11-01 08:00 0.2 -> 0.2 last 1200"""),
    "impossible drop near the boundary": (PER_CYCLE, """
        10-31 23:59 20000 -> 20000
        11-01 00:01 9500 -> 0 suspect
        11-01 00:10 1 -> 1 last 20000"""),
    "kilobytes for megabytes twice": (PER_CYCLE, """
        11-10 00:00 5 -> 5
        11-10 01:00 5000 -> 5000 doubt
        11-10 02:00 5001 -> 5001 doubt
        11-10 03:00 5.1 -> 5.1"""),
    "hundredfold rise that lasts": (PER_CYCLE, """
        11-10 00:00 5 -> 5
        11-10 01:00 5000 -> 5000 doubt
        11-11 02:00 5001 -> 5001"""),
    "kilobytes for megabytes, from 0": (PER_CYCLE, """
        11-10 00:00 0 -> 0
        11-10 01:00 37 -> 37 low 0
        11-10 02:00 0.04 -> 0.04"""),
    "rise that was held, and falls back": (PER_CYCLE, """
        11-10 00:00 100 -> 100
        11-10 00:01 5000 -> 100 suspect
        11-10 00:05 5001 -> 5001 doubt
        11-10 01:00 101 -> 101"""),
    "kilobytes for megabytes just before the boundary, late restart": (PER_CYCLE, """
        10-31 20:00 68.7 -> 68.7
        10-31 22:00 68900 -> 68900 doubt
        11-01 00:30 69 -> 0.3 last 68.7
        11-01 08:10 0.2 -> 0.2 last 69"""),
    "kilobytes for megabytes just before the boundary, lifetime": (LIFETIME, """
        10-31 20:00 68.7 -> 0
        10-31 22:00 68900 -> 68831.3 doubt
        11-01 00:30 69 -> 0.06 last 0.24"""),
    "kilobytes for megabytes before a gap over the boundary": (LIFETIME, """
        10-29 21:40 400.5 -> 0
        10-30 09:40 400500 -> 400099.5 doubt
        11-03 13:40 400.6 -> 0.062 last 0.038 doubt"""),
    "replaced just before the boundary, and back": (LIFETIME, """
        10-31 20:00 300 -> 0
        10-31 21:00 1 -> 0 suspect
        10-31 22:00 1 -> 1 doubt
        11-01 00:30 301 -> 0.2 last 0.8"""),
    "spike that is possible, and comes back": (PER_CYCLE, """
        11-10 12:00 300 -> 300
        11-11 12:00 300 -> 300
        11-11 12:05 5000 -> 5000
        11-11 12:10 300.1 -> 300.1
        11-25 12:00 900 -> 900"""),
    "first reading in kilobytes": (PER_CYCLE, """
        11-10 12:00 300000 -> 300000
        11-10 12:30 300.1 -> 300000 suspect
        11-10 13:00 300.2 -> 300300.2 doubt"""),
    "zeros just after the boundary, much usage, and a late restart": (PER_CYCLE, """
        10-30 23:30 250 -> 250
        10-31 23:30 300 -> 300
        11-01 00:30 0 -> 0 last 300
        11-01 01:30 310 -> 10 doubt
        11-01 02:00 311 -> 11 doubt
        11-01 08:10 0.2 -> 0.2 last 311
        11-20 12:00 80 -> 80 last 311"""),
    "a zero confirms no drop": (PER_CYCLE, """
        11-08 12:00 300 -> 300
        11-08 14:00 0 -> 300 suspect
        11-08 15:00 6 -> 300 suspect
        11-08 15:05 301 -> 301"""),
    "counter that is too high for its carrier's cards": (replace(LIFETIME, max_mb_per_second=Decimal("0.125")), """
        05-10 12:00 400000 -> 0 suspect
        05-10 18:00 400001 -> 0
        05-11 12:00 400005 -> 4"""),
    "impossible first reading": (PER_CYCLE, """
        05-10 12:00 999999999 -> 0 suspect
        05-10 12:30 101 -> 101
        05-10 13:00 102 -> 102"""),
    "impossible first reading of a lifetime counter": (LIFETIME, """
        05-10 12:00 999999999 -> 0 suspect
        05-10 12:30 80000 -> 0
        05-10 13:00 80001 -> 1"""),
    "restarted, and used as much as before within hours": (LATER, """
        05-31 23:30 1500 -> 1500
        06-01 00:30 0 -> 0 last 1500
        06-01 04:30 1505 -> 1505 last 1500 doubt
        06-01 05:00 1506 -> 1506 last 1500 doubt"""),
    "perhaps restarted, and used as much as before within hours": (PER_CYCLE, """
        05-31 23:30 1500 -> 1500
        06-01 00:30 0 -> 0 last 1500
        06-01 04:30 1505 -> 5 last 1500 doubt"""),
    "restart is seen after readings were held on both sides": (PER_CYCLE, """
        05-10 12:00 100 -> 100
        05-10 12:05 999999999 -> 100 suspect
        05-10 12:30 3 -> 100 suspect
        05-10 12:31 3 -> 100 suspect
        05-10 12:41 3 -> 103 doubt"""),
    "not read around the boundary, and restarts later than others": (LATER, """
        05-30 23:00 3001 -> 3001
        06-01 01:10 3040 -> 3040 last 3001 low 0
        06-01 01:40 3041 -> 3041 last 3001 low 0
        06-01 03:00 0.4 -> 0.4 last 3041
        06-20 12:00 301 -> 301 last 3041 low 0.4"""),
    "not read around the boundary, and has restarted unseen": (LATER, """
        05-30 23:00 3001 -> 3001
        06-03 01:10 3040 -> 3040 last 3001 low 0
        06-05 12:00 3050 -> 3050 last 3001 low 3050"""),
    "idle, and not read around the boundary": (LATER, """
        05-30 23:00 3001 -> 3001
        06-01 01:10 3001 -> 0 last 3001 low 0 doubt
        06-01 03:00 0.4 -> 0.4 last 3001"""),
    "new card, restarts later than others": (LATER, """
        06-01 06:00 9000 -> 9000 low 0
        06-01 06:30 9001 -> 9001 low 0
        06-01 08:10 0.5 -> 0.5 last 9001 low 0
        06-01 08:30 0.6 -> 0.6 last 9001 low 0.6"""),
    "zero after the boundary, and back, when others have restarted": (LATER, """
        05-31 23:30 3000 -> 3000
        06-01 00:30 3000 -> 0
        06-01 01:00 0 -> 0 last 3000
        06-01 02:00 3001 -> 3001 last 3000 low 0 doubt
        06-01 02:30 3002 -> 3002 last 3000 low 1 doubt"""),
    "tiny card: zero after the boundary, and back": (PER_CYCLE, """
        05-31 23:30 5 -> 5
        06-01 00:30 5 -> 0
        06-01 01:00 0 -> 0 last 5
        06-01 01:30 5.01 -> 5.01 last 5 low 0 doubt
        06-20 12:00 5.91 -> 5.91 last 5 low 0.9 doubt"""),
    "absurd value after a gap over the boundary, lifetime": (LIFETIME, """
        05-20 00:00 1000 -> 0
        06-10 00:00 999999999 -> 0 suspect
        06-10 00:30 3000 -> 858.276 last 1141.724 low 0 doubt
        06-10 01:00 3001 -> 859.276 last 1141.724 low 1 doubt"""),
    "zero after a gap over the boundary, lifetime": (LIFETIME, """
        05-20 00:00 1000 -> 0
        06-10 00:00 0 -> 0 suspect
        06-10 00:30 3000 -> 858.276 last 1141.724 low 0 doubt
        06-11 02:00 3001 -> 859.276 last 1141.724 low 1 doubt"""),
    "absurd value after a gap over the boundary": (PER_CYCLE, """
        05-20 00:00 1000 -> 1000
        06-03 00:00 999999999 -> 0 suspect
        06-03 00:30 1400 -> 400 last 1000 low 0 doubt
        06-06 00:00 1401 -> 401 last 1000 low 1 doubt"""),
    "replaced for ten days, and merged": (LIFETIME, """
        05-10 00:00 80000 -> 0
        05-10 06:00 0.5 -> 0 suspect
        05-10 12:00 1 -> 1 doubt
        05-20 00:00 1000 -> 1000 doubt
        05-20 06:00 81000 -> 81000 low 999 doubt
        05-20 12:00 81001 -> 81001 low 1000 doubt"""),
    "replaced for six days, and back": (PER_CYCLE, """
        11-07 00:00 5001 -> 5001
        11-08 00:00 5001 -> 5001
        11-08 06:00 1 -> 5001 suspect
        11-08 12:00 2 -> 5003 doubt
        11-14 00:00 150 -> 5151 doubt
        11-14 06:00 5001 -> 10002 low 5149 doubt
        11-14 12:00 5001.5 -> 10002.5 low 5149.5 doubt"""),
    "absurd value just before the restart": (PER_CYCLE, """
        05-31 10:00 3000 -> 3000
        05-31 11:30 999999999 -> 3000 suspect
        06-01 00:10 900 -> 900 last 3000 low 0
        06-01 00:40 3001 -> 1 last 3000 doubt"""),
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """One line of a story: the reading, how to interpret it, and what the meter must show after it."""

    reading: Reading
    tariff: Tariff
    expected: list[str]


def told(name: str) -> list[Told]:
    """Return the lines of a story."""
    tariff, story = CASES[name]
    lines = []
    for line in story.strip().splitlines():
        before, after = line.split(" -> ")
        day, time, *changed, raw = before.split()
        for key in changed:
            tariff = TARIFFS[key]
        at = datetime.strptime(f"2026-{day} {time}", "%Y-%m-%d %H:%M").replace(tzinfo=SHANGHAI)
        lines.append(Told(Reading(Decimal(raw), at), tariff, after.split()))
    return lines


@pytest.mark.parametrize("name", CASES)
def test_meter_shows_the_right_usage_after_every_reading(name: str) -> None:
    meter: Meter | None = None
    changes: Counter[date] = Counter()

    for line in told(name):
        used, *expected = line.expected
        step = advance(meter, line.reading, line.tariff)
        meter = step.meter
        changes[meter.cycle_start] += step.delta_mb  # type: ignore[assignment]
        changes[meter.last_cycle] += step.last_delta_mb  # type: ignore[assignment]

        assert abs(meter.used_mb - Decimal(used)) < ACCURACY
        assert meter.used_mb == changes[meter.cycle_start]
        assert (meter.doubt is not None, meter.is_suspect) == ("doubt" in expected, "suspect" in expected)
        if "last" in expected:
            last = Decimal(expected[expected.index("last") + 1])
            assert abs(meter.last_month_total_mb - last) < ACCURACY
            assert changes[meter.last_cycle] == meter.last_month_total_mb
        if "low" in expected:
            assert abs(meter.low_mb - Decimal(expected[expected.index("low") + 1])) < ACCURACY


def test_bounds_of_a_gap_are_stated() -> None:
    at = datetime(2026, 8, 1, 12, tzinfo=SHANGHAI)
    meter = advance(None, Reading(Decimal(1001), at), LIFETIME).meter

    meter = advance(meter, Reading(Decimal(4001), at.replace(month=11, day=2)), LIFETIME).meter

    assert (meter.low_mb, meter.high_mb) == (0, 3000)
