"""The stories that docs/metering.md tells, each with the readings of one card."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from cards.meter import Tariff
from carriers.cycles import BillingCalendar

PER_CYCLE: Final = Tariff(BillingCalendar("Asia/Shanghai", 1), is_lifetime=False, carrier_id=1)
LIFETIME: Final = replace(PER_CYCLE, is_lifetime=True)
OTHERS_RESTARTED: Final = replace(PER_CYCLE, restarted_cycle=date(2026, 6, 1))
_DAY_19: Final = BillingCalendar("Asia/Shanghai", 19)
_CORRECTED: Final = _DAY_19.change_at(datetime(2026, 5, 27, 5, tzinfo=UTC))


@dataclass(frozen=True)
class Story:
    """The readings of a card, one a line: day, time, counter, `stopped` or not, and `#` with a note.

    `later` maps the number of a reading to the tariff from that reading on. `with_records` shows the changes of
    usage that each reading was recorded with, and their reason. `quota_mb` shows the state of a plan with that quota.
    """

    title: str
    readings: str
    tariff: Tariff = PER_CYCLE
    later: Mapping[int, Tariff] = field(default_factory=dict)
    with_records: bool = False
    quota_mb: Decimal | None = None


# Name of the picture -> story.
STORIES: Final[Mapping[str, Story]] = {
    "counting": Story("A counter that restarts on time", """
        10-30 12:00 2800
        10-31 12:00 2950
        10-31 23:30 3000
        11-01 00:30 2
        11-01 12:00 60
        11-02 12:00 150"""),
    "late_restart": Story("A counter that restarts eight hours late", """
        05-31 23:00 900
        06-01 01:00 905
        06-01 05:30 950
        06-01 07:00 965
        06-01 08:10 0.3 # restarted
        06-01 12:00 3
        06-28 12:00 280"""),
    "early_restart": Story("A counter that restarts eight hours early", """
        10-31 12:00 3000
        10-31 16:10 1 # restarted
        10-31 20:00 8
        10-31 23:30 15
        11-01 00:30 17
        11-01 12:00 40"""),
    "no_restart": Story("A counter that never restarts, although it is declared to restart in each cycle", """
        05-31 23:00 40000
        06-01 03:00 40010
        06-03 12:00 40060
        06-05 03:00 40100
        06-05 05:00 40102 # 101 h
        06-10 12:00 40250"""),
    "gap": Story("No reading around the boundary, and no other card as a witness", """
        05-28 12:00 870
        05-29 00:00 900
        06-04 00:00 1000 # after 6 days
        06-05 00:00 1030
        06-10 00:00 1200"""),
    "gap_with_witness": Story("No reading around the boundary, but other cards have restarted", """
        05-28 12:00 870
        05-29 00:00 900
        06-04 00:00 1000 # after 6 days
        06-05 00:00 1030
        06-10 00:00 1200""", OTHERS_RESTARTED),
    "absurd_value": Story("One absurd value", """
        05-10 12:00 100
        05-10 12:30 999999999 # absurd
        05-10 13:00 101
        05-10 13:40 103
        06-01 00:20 0.1"""),
    "wrong_unit": Story("Two values in kilobytes instead of megabytes", """
        11-08 00:00 30
        11-08 01:00 30200 # kilobytes
        11-08 02:00 30201
        11-08 03:00 31
        11-20 12:00 90"""),
    "drop": Story("Two zeros by mistake", """
        05-10 12:00 300
        05-10 12:10 0
        05-10 12:30 0
        05-10 13:00 301
        05-10 13:30 302"""),
    "way_back": Story("A counter that was away for two hours", """
        05-10 12:00 300
        05-10 12:30 2
        05-10 13:00 3
        05-10 14:00 4
        05-10 15:00 302 # back
        05-10 16:00 303"""),
    "sim_swap": Story("Another SIM card with a counter of its own", """
        11-08 00:00 300
        11-08 00:30 0.5 # other SIM
        11-08 01:00 1
        11-15 12:00 250
        11-29 12:00 500
        12-01 00:30 0.5"""),
    "overflow": Story("A counter of 32 bits that overflows", """
        11-08 00:00 4294
        11-08 00:30 1 # overflow
        11-08 01:00 2
        11-10 12:00 1500
        11-20 12:00 4000"""),
    "jitter": Story("A counter that is corrected down by half a percent", """
        05-10 12:00 1000
        05-10 18:00 995 # lower
        05-11 12:00 997
        05-12 19:00 996 # 49 h later
        05-13 12:00 999"""),
    "stopped_card": Story("A stopped card for which the carrier says 0", """
        05-30 12:00 900
        05-30 18:00 0 stopped # stopped
        05-31 18:00 0 stopped # stopped
        06-01 06:00 0 stopped # stopped
        06-02 12:00 0.4 # resumed
        06-03 12:00 7"""),
    "lifetime_gap": Story("A lifetime counter that was not read for three months", """
        07-31 18:00 990
        08-01 12:00 1001
        11-02 12:00 4001 # after 93 days
        11-02 18:00 4005
        11-03 12:00 4020""", LIFETIME),
    "other_carrier": Story("A card that moves to a carrier with a lifetime counter", """
        05-10 12:00 3
        05-10 18:00 4.045
        05-11 12:00 80004 # moved
        05-11 18:00 80005.5
        05-12 12:00 80009""", later={2: replace(LIFETIME, carrier_id=2)}),
    "corrected_day": Story("A billing day that is corrected from 19 to 25", """
        05-18 20:00 500
        05-19 01:00 7
        05-27 12:00 300
        05-27 14:00 301 # day 25
        06-24 12:00 900
        06-25 01:00 4
        06-26 12:00 30""",
        replace(PER_CYCLE, calendar=_DAY_19),
        later={3: replace(PER_CYCLE, calendar=BillingCalendar("Asia/Shanghai", 25, _CORRECTED))}),
    "day_stamps": Story("Figures that carry only the day", """
        05-31 00:00 100
        05-31 00:00 300
        05-31 00:00 300 # repeated
        05-31 00:00 700
        06-01 00:00 5""", replace(PER_CYCLE, stamp_grain=timedelta(days=1))),
    "out_of_order": Story("An older figure that arrives late", """
        05-10 12:00 100
        05-10 13:00 104
        05-10 12:30 102 # older
        05-10 14:00 107"""),
    "first_reading": Story("A card that is first read just before a late restart", """
        06-01 01:00 900 # new card
        06-01 05:00 905
        06-01 08:10 0.3 # restarted
        06-01 12:00 3"""),
    "first_reading_confirmed": Story("A card that is first read just after a restart", """
        06-01 01:00 900 # new card
        06-01 12:00 905
        06-02 12:00 950
        06-03 01:00 980
        06-05 05:00 1100 # 101 h
        06-08 12:00 1200"""),
    "uncertainty": Story("A rise that was too fast when it came, and possible four minutes later", """
        10-30 12:00 100
        10-30 12:01 5000
        10-30 12:05 5002
        10-31 23:30 5010
        11-01 00:30 2
        11-01 12:00 20"""),
    "quota": Story("The state of a plan with 1,000 MB", """
        05-31 23:00 900
        06-01 05:30 1910
        06-01 07:00 1960
        06-01 08:10 0.3 # restarted
        06-20 12:00 960
        06-28 12:00 1005""", quota_mb=Decimal(1000)),
    "records": Story("The records of a late restart", """
        05-31 22:00 880
        05-31 23:00 900
        06-01 01:00 905
        06-01 07:00 965
        06-01 08:10 0.3 # restarted
        06-01 12:00 3""", with_records=True),
}  # fmt: skip
