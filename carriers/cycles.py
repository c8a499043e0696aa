"""Billing cycles of a carrier. A cycle begins at local midnight of the carrier's billing day. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

MONTHS = 12


@dataclass(frozen=True)
class BillingCalendar:
    """When cycles begin: an IANA time zone and a day of the month (1 to 28).

    Example::

        calendar = BillingCalendar("Asia/Shanghai", billing_day=15)
        begin, end = calendar.bounds_of(calendar.cycle_of(now))
    """

    time_zone: str
    billing_day: int

    def day_of(self, moment: datetime) -> date:
        """Return the local day of `moment`."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def cycle_of(self, moment: datetime) -> date:
        """Return the first local day of the cycle that contains `moment`."""
        local = self.day_of(moment)
        first = local.replace(day=self.billing_day)
        return first if local >= first else shifted(first, -1)

    def start_of(self, cycle: date) -> datetime:
        """Return the instant (UTC) at which the cycle with the first day `cycle` begins."""
        return _midnight(cycle, self.time_zone)

    def seconds_to_nearest_boundary(self, moment: datetime) -> float:
        """Return the seconds between `moment` and the nearest start of a cycle, before or after it."""
        cycle = self.cycle_of(moment)
        since = moment - self.start_of(cycle)
        until = self.start_of(shifted(cycle, 1)) - moment
        return min(since, until).total_seconds()

    def bounds_of(self, cycle: date) -> tuple[datetime, datetime]:
        """Return the instants (UTC) at which the cycle begins and ends."""
        return self.start_of(cycle), self.start_of(shifted(cycle, 1))


def shifted(cycle: date, months: int) -> date:
    """Return the first day of the cycle `months` later; earlier when `months` is negative."""
    index = cycle.year * MONTHS + cycle.month - 1 + months
    return cycle.replace(year=index // MONTHS, month=index % MONTHS + 1)


def cycles_between(earlier: date, later: date) -> int:
    """Return how many cycles `later` begins after `earlier`."""
    return (later.year - earlier.year) * MONTHS + later.month - earlier.month


@cache
def _midnight(day: date, time_zone: str) -> datetime:
    # Where a clock change skips midnight, fold=0 gives the instant of the change, the first of the day.
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
