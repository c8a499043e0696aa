"""Calculate the periods of a subscription. A period is a billing month or a fixed number of days.

A period is identified by its first day in the carrier's time zone, and begins at the first instant of that
day. The functions are pure.
"""

from datetime import date, datetime, timedelta

from cards.models import PlanCycle
from carriers.cycles import BillingCalendar

_LENGTHS = {
    PlanCycle.DAYS_90: timedelta(days=90),
    PlanCycle.DAYS_180: timedelta(days=180),
    PlanCycle.DAYS_360: timedelta(days=360),
}


def period_of(moment: datetime, *, cycle: PlanCycle, starts_at: datetime, calendar: BillingCalendar) -> date:
    """Return the first day (in the carrier's time zone) of the period that contains `moment`.

    A moment before `starts_at` belongs to the first period.
    """
    if cycle is PlanCycle.MONTH:
        return calendar.cycle_of(max(moment, starts_at))
    first = calendar.day_of(starts_at)
    elapsed = max(timedelta(), calendar.day_of(moment) - first)
    return first + elapsed // _LENGTHS[cycle] * _LENGTHS[cycle]


def end_of(period: date, *, cycle: PlanCycle, calendar: BillingCalendar) -> datetime:
    """Return the instant (UTC) at which a period ends. `period` is its first day."""
    if cycle is PlanCycle.MONTH:
        return calendar.end_of(period)
    return calendar.start_of(period + _LENGTHS[cycle])
