"""Periods of a subscription: billing months of its carrier, or so many days. Pure.

A period is named by its first local day, in the carrier's time zone, and begins at that day's first instant.
"""

from datetime import date, datetime, timedelta

from cards.models import PlanCycle
from carriers.cycles import BillingCalendar, shifted

_LENGTHS = {
    PlanCycle.DAYS_90: timedelta(days=90),
    PlanCycle.DAYS_180: timedelta(days=180),
    PlanCycle.DAYS_360: timedelta(days=360),
}


def period_of(moment: datetime, *, cycle: PlanCycle, starts_at: datetime, calendar: BillingCalendar) -> date:
    """The first local day of the period in which `moment` lies. Before the start it is the first period."""
    if cycle is PlanCycle.MONTH:
        return calendar.cycle_of(max(moment, starts_at))
    first = calendar.day_of(starts_at)
    gone = max(timedelta(), calendar.day_of(moment) - first)
    return first + gone // _LENGTHS[cycle] * _LENGTHS[cycle]


def end_of(period: date, *, cycle: PlanCycle, calendar: BillingCalendar) -> datetime:
    """The instant (UTC) at which the period that begins on `period` ends."""
    following = shifted(period, 1) if cycle is PlanCycle.MONTH else period + _LENGTHS[cycle]
    return calendar.start_of(following)
