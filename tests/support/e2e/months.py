"""Billing months of the simulated carriers, computed independently of the engine's own code."""

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from lab.simulator.fleet import CARRIERS, SimulatedCarrier

EVE = timedelta(minutes=10)
# This is longer than a test takes, because no other billing month may begin while the test runs.
QUIET = timedelta(minutes=10)


def first_day(carrier: SimulatedCarrier, moment: datetime) -> date:
    """Return the first day, in the carrier's time zone, of the billing month that contains `moment`."""
    day = moment.astimezone(ZoneInfo(carrier.time_zone)).date()
    if day.day < carrier.billing_day:
        day = day.replace(day=1) - timedelta(days=1)
    return day.replace(day=carrier.billing_day)


def last_boundary(carrier: SimulatedCarrier, moment: datetime) -> datetime:
    """Return the time at which the billing month that contains `moment` began."""
    day = first_day(carrier, moment)
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(carrier.time_zone)).astimezone(UTC)


def earliest_boundary(now: datetime) -> datetime:
    """Return the earliest start of the carriers' current billing months."""
    return min(last_boundary(carrier, now) for carrier in CARRIERS)


def boundaries_between(carrier: SimulatedCarrier, earlier: datetime, later: datetime) -> int:
    """Return how many of the carrier's billing months began after `earlier` and no later than `later`."""
    crossed = 0
    while last_boundary(carrier, later) > earlier:
        crossed += 1
        later = last_boundary(carrier, later) - timedelta(hours=1)
    return crossed


def quiet_eve() -> datetime:
    """Return a time ten minutes before the earliest start of the carriers' current billing months.

    Wait first if a billing month is about to begin now.
    """
    while True:
        present = datetime.now(UTC)
        eve = earliest_boundary(present) - EVE
        if all(boundaries_between(carrier, eve, present + QUIET) == 1 for carrier in CARRIERS):
            return eve
        time.sleep(1)
