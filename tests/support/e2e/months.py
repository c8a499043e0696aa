"""Billing months of the simulated carriers, computed without the code that the engine meters with."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from lab.simulator.fleet import CARRIERS, SimulatedCarrier


def first_day(carrier: SimulatedCarrier, moment: datetime) -> date:
    """Return the first day of the billing month of `moment`."""
    day = moment.astimezone(ZoneInfo(carrier.time_zone)).date()
    if day.day < carrier.billing_day:
        day = day.replace(day=1) - timedelta(days=1)
    return day.replace(day=carrier.billing_day)


def last_boundary(carrier: SimulatedCarrier, moment: datetime) -> datetime:
    """Return when the billing month of `moment` began."""
    day = first_day(carrier, moment)
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(carrier.time_zone)).astimezone(UTC)


def earliest_boundary(now: datetime) -> datetime:
    """Return when the current month began of the carrier whose current month is the oldest."""
    return min(last_boundary(carrier, now) for carrier in CARRIERS)


def boundaries_between(carrier: SimulatedCarrier, earlier: datetime, later: datetime) -> int:
    """Return how many of the carrier's months began after `earlier`, up to `later`."""
    crossed = 0
    while last_boundary(carrier, later) > earlier:
        crossed += 1
        later = last_boundary(carrier, later) - timedelta(hours=1)
    return crossed
