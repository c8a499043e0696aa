"""The simulated carriers, and the true state of their cards. Pure.

Monthly usage = hash(iccid) x share of the cycle elapsed, so the true counter is known for any moment.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from carriers.cycles import BillingCalendar, cycles_between

MAX_MONTHLY_MB = 2000
STEP = Decimal("0.001")
# Lifetime counters have run since January of this year.
FIRST_YEAR = 2024
_VERIFICATIONS_BEGIN = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_VERIFICATION_SECONDS = 5 * 365 * 86_400
# Most holders are verified early: nine tenths within the first half of the time.
_VERIFICATION_CURVE = 6


@dataclass(frozen=True)
class SimulatedCarrier:
    """A simulated carrier. It knows every ICCID that begins with `prefix`, and no other card."""

    code: str
    name: str
    prefix: str
    time_zone: str
    billing_day: int
    is_lifetime: bool

    @property
    def calendar(self) -> BillingCalendar:
        return BillingCalendar(self.time_zone, self.billing_day)


CARRIERS: tuple[SimulatedCarrier, ...] = (
    SimulatedCarrier("northwind", "Northwind Mobile", "898600", "Asia/Shanghai", 1, is_lifetime=False),
    SimulatedCarrier("bluepeak", "Bluepeak Telecom", "894900", "Europe/Berlin", 15, is_lifetime=True),
    SimulatedCarrier("suncoast", "Suncoast Wireless", "890100", "America/New_York", 28, is_lifetime=False),
)


def _hash(iccid: str, subject: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{subject}:{iccid}".encode()).digest()[:8])


def monthly_mb(iccid: str) -> int:
    """Return what the card uses in a cycle: 1 to 2,000 MB."""
    return _hash(iccid, "usage") % MAX_MONTHLY_MB + 1


@dataclass(frozen=True)
class Cycle:
    """A carrier's billing cycle from `begin` to just before `end`, after `earlier` counted cycles."""

    begin: datetime
    end: datetime
    earlier: int

    def counted(self, moment: datetime) -> float:
        """Return for how many cycles the carrier's counters have run at a `moment` inside this one."""
        return self.earlier + (moment - self.begin) / (self.end - self.begin)


def cycle_of(carrier: SimulatedCarrier, moment: datetime) -> Cycle:
    """Return the cycle of `moment`. Counters that restart each cycle have no earlier ones."""
    first_day = carrier.calendar.cycle_of(moment)
    begin, end = carrier.calendar.bounds_of(first_day)
    since = cycles_between(date(FIRST_YEAR, 1, carrier.billing_day), first_day)
    return Cycle(begin, end, since if carrier.is_lifetime else 0)


def counter_mb(iccid: str, cycles: float) -> Decimal:
    """Return the card's counter in MB after `cycles` cycles, rounded down to a thousandth."""
    return Decimal(monthly_mb(iccid) * cycles).quantize(STEP, ROUND_DOWN)


def verified_at(iccid: str) -> datetime:
    """Return when the card's holder is verified: a second within the five years since `FIRST_YEAR`."""
    share = _hash(iccid, "verification") / 2**64
    return _VERIFICATIONS_BEGIN + timedelta(seconds=int(_VERIFICATION_SECONDS * share**_VERIFICATION_CURVE))
