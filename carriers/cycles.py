"""Billing cycles of a carrier: they begin at local midnight of its billing day. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

MONTHS = 12


@dataclass(frozen=True)
class BillingCalendar:
    """When cycles begin: an IANA zone, and a day of the month (1 to 28)."""

    time_zone: str
    billing_day: int

    def day_of(self, moment: datetime) -> date:
        """The local day of `moment`."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def cycle_of(self, moment: datetime) -> date:
        """The first local day of the cycle in which `moment` lies."""
        local = self.day_of(moment)
        first = local.replace(day=self.billing_day)
        return first if local >= first else shifted(first, -1)

    def start_of(self, cycle: date) -> datetime:
        """The instant (UTC) at which the cycle that begins on `cycle` begins."""
        return _midnight(cycle, self.time_zone)

    def seconds_to_nearest_boundary(self, moment: datetime) -> float:
        """Seconds between `moment` and the nearest begin of a cycle, before or after it."""
        cycle = self.cycle_of(moment)
        since = moment - self.start_of(cycle)
        until = self.start_of(shifted(cycle, 1)) - moment
        return min(since, until).total_seconds()

    def bounds_of(self, cycle: date) -> tuple[datetime, datetime]:
        """The instants (UTC) at which the cycle begins and ends."""
        return self.start_of(cycle), self.start_of(shifted(cycle, 1))


def shifted(cycle: date, months: int) -> date:
    """The cycle `months` later (or earlier, when negative)."""
    index = cycle.year * MONTHS + cycle.month - 1 + months
    return cycle.replace(year=index // MONTHS, month=index % MONTHS + 1)


def cycles_between(earlier: date, later: date) -> int:
    """How many cycles `later` begins after `earlier`."""
    return (later.year - earlier.year) * MONTHS + later.month - earlier.month


@cache
def _midnight(day: date, time_zone: str) -> datetime:
    # Where a clock change skips midnight, fold=0 gives the instant of the change: the day's first one.
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
