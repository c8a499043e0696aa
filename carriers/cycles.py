"""Billing cycles of a carrier. A cycle begins at local midnight on the carrier's billing day.

All functions are pure.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MONTHS = 12
# A clock change can make a month an hour longer.
_LONGEST_MONTH = timedelta(days=31, hours=1)


@dataclass(frozen=True)
class CalendarChange:
    """When a calendar was last changed, and the cycle (in the time zone of that time) that was running then."""

    at: datetime
    running_cycle: date
    time_zone: str


@dataclass(frozen=True)
class BillingCalendar:
    """The IANA time zone and the day of the month (1 to 28) that determine when cycles begin.

    A changed calendar applies from its next boundary on: the cycle that is running at `change` continues until
    then. Example::

        calendar = BillingCalendar("Asia/Shanghai", billing_day=15)
        begin, end = calendar.bounds_of(calendar.cycle_of(now))
    """

    time_zone: str
    billing_day: int
    change: CalendarChange | None = None

    @property
    def is_readable(self) -> bool:
        """Whether this machine knows the time zones. A row that was written by SQL may have any text."""
        return all(map(_is_zone, (self.time_zone, self.change.time_zone if self.change else self.time_zone)))

    def day_of(self, moment: datetime) -> date:
        """Return the date of `moment` in the carrier's time zone."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def cycle_of(self, moment: datetime) -> date:
        """Return the first day (in the carrier's time zone) of the cycle that contains `moment`."""
        change = self.change
        if change is None or moment >= self._first_start_after(change):
            return self._regular_cycle_of(moment)
        if moment >= self.start_of(change.running_cycle):
            return change.running_cycle
        return BillingCalendar(change.time_zone, change.running_cycle.day).cycle_of(moment)

    def start_of(self, cycle: date) -> datetime:
        """Return the instant (UTC) at which a cycle begins. `cycle` is its first day."""
        return _midnight(cycle, self._zone_of(cycle))

    def end_of(self, cycle: date) -> datetime:
        """Return the instant (UTC) at which a cycle ends. `cycle` is its first day."""
        if self.change and cycle == self.change.running_cycle:
            return self._first_start_after(self.change)
        return self.start_of(shifted(cycle, 1))

    def is_stretched(self, cycle: date) -> bool:
        """Return whether a change of the calendar makes a cycle longer than any month."""
        return self.end_of(cycle) - self.start_of(cycle) > _LONGEST_MONTH

    def next_start(self, moment: datetime) -> datetime:
        """Return the instant (UTC) at which the cycle after the one that contains `moment` begins."""
        return self.end_of(self.cycle_of(moment))

    def seconds_to_nearest_boundary(self, moment: datetime) -> float:
        """Return the seconds between `moment` and the nearest start of a cycle, before or after `moment`."""
        begin, end = self.bounds_of(self.cycle_of(moment))
        return min(moment - begin, end - moment).total_seconds()

    def bounds_of(self, cycle: date) -> tuple[datetime, datetime]:
        """Return the instants (UTC) at which a cycle begins and ends. `cycle` is its first day."""
        return self.start_of(cycle), self.end_of(cycle)

    def change_at(self, moment: datetime) -> CalendarChange:
        """Return the change that a calendar with another time zone or billing day has, if it replaces this one."""
        cycle = self.cycle_of(moment)
        return CalendarChange(moment, cycle, self._zone_of(cycle))

    def _zone_of(self, cycle: date) -> str:
        is_older = self.change is not None and cycle <= self.change.running_cycle
        return self.change.time_zone if self.change and is_older else self.time_zone

    def _regular_cycle_of(self, moment: datetime) -> date:
        local = self.day_of(moment)
        first = local.replace(day=self.billing_day)
        return first if local >= first else shifted(first, -1)

    def _first_start_after(self, change: CalendarChange) -> datetime:
        first = shifted(self._regular_cycle_of(change.at), 1)
        if first <= change.running_cycle:
            # In the new time zone, the first day of the running cycle has not begun yet.
            first = shifted(first, 1)
        return _midnight(first, self.time_zone)


def calendar_from(
    time_zone: str,
    billing_day: int,
    changed_at: datetime | None,
    running_cycle: date | None,
    zone_before: str,
) -> BillingCalendar:
    """Return the calendar that the columns of a carrier describe."""
    change = CalendarChange(changed_at, running_cycle, zone_before) if changed_at and running_cycle else None
    return BillingCalendar(time_zone, billing_day, change)


def shifted(cycle: date, months: int) -> date:
    """Return the first day of the cycle that begins `months` months later; `months` may be negative."""
    index = cycle.year * MONTHS + cycle.month - 1 + months
    return cycle.replace(year=index // MONTHS, month=index % MONTHS + 1)


def cycles_between(earlier: date, later: date) -> int:
    """Return the number of cycles from `earlier` to `later`. Both are first days of cycles."""
    return (later.year - earlier.year) * MONTHS + later.month - earlier.month


@cache
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@cache
def _midnight(day: date, time_zone: str) -> datetime:
    # If a clock change skips midnight, the day begins at the change, and fold=0 yields that instant.
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
