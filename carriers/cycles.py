"""Billing cycles of a carrier. A cycle begins at local midnight on the carrier's billing day.

All functions are pure.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

MONTHS = 12


@dataclass(frozen=True)
class BillingCalendar:
    """The IANA time zone and the day of the month (1 to 28) that determine when cycles begin.

    Example::

        calendar = BillingCalendar("Asia/Shanghai", billing_day=15)
        begin, end = calendar.bounds_of(calendar.cycle_of(now))
    """

    time_zone: str
    billing_day: int
    # When the time zone or the billing day was last changed.
    changed_at: datetime | None = None

    def follows(self, cycle: date, current: date) -> bool:
        """Return whether `cycle` is a new cycle for a meter or a subscription that is in the cycle `current`.

        A changed calendar applies from its next boundary on, so a boundary before the change begins no cycle.
        """
        if cycle <= current:
            return False
        return self.changed_at is None or self.start_of(cycle) > self.changed_at

    def day_of(self, moment: datetime) -> date:
        """Return the date of `moment` in the carrier's time zone."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def cycle_of(self, moment: datetime) -> date:
        """Return the first day (in the carrier's time zone) of the cycle that contains `moment`."""
        local = self.day_of(moment)
        first = local.replace(day=self.billing_day)
        return first if local >= first else shifted(first, -1)

    def start_of(self, cycle: date) -> datetime:
        """Return the instant (UTC) at which a cycle begins. `cycle` is its first day."""
        return _midnight(cycle, self.time_zone)

    def next_start(self, moment: datetime) -> datetime:
        """Return the instant (UTC) at which the cycle after the one that contains `moment` begins."""
        return self.start_of(shifted(self.cycle_of(moment), 1))

    def seconds_to_nearest_boundary(self, moment: datetime) -> float:
        """Return the seconds between `moment` and the nearest start of a cycle, before or after `moment`."""
        cycle = self.cycle_of(moment)
        since = moment - self.start_of(cycle)
        until = self.next_start(moment) - moment
        return min(since, until).total_seconds()

    def bounds_of(self, cycle: date) -> tuple[datetime, datetime]:
        """Return the instants (UTC) at which a cycle begins and ends. `cycle` is its first day."""
        return self.start_of(cycle), self.start_of(shifted(cycle, 1))


def shifted(cycle: date, months: int) -> date:
    """Return the first day of the cycle that begins `months` months later; `months` may be negative."""
    index = cycle.year * MONTHS + cycle.month - 1 + months
    return cycle.replace(year=index // MONTHS, month=index % MONTHS + 1)


def cycles_between(earlier: date, later: date) -> int:
    """Return the number of cycles from `earlier` to `later`. Both are first days of cycles."""
    return (later.year - earlier.year) * MONTHS + later.month - earlier.month


@cache
def _midnight(day: date, time_zone: str) -> datetime:
    # If a clock change skips midnight, the day begins at the change, and fold=0 yields that instant.
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
