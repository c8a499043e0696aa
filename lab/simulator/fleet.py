"""The simulated carriers, and the true state of their cards. Pure.

A hash of the ICCID decides how much a card uses per cycle, and the usage grows evenly over the cycle. So the
true counter can be computed for any moment.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from carriers.cycles import BillingCalendar, cycles_between

MAX_MONTHLY_MB = 2000
STEP = Decimal("0.001")
# Lifetime counters began at 0 in January of this year.
FIRST_YEAR = 2024
_VERIFICATIONS_BEGIN = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_VERIFICATION_SECONDS = 5 * 365 * 86_400
# With this exponent, nine tenths of the holders are verified in the first half of _VERIFICATION_SECONDS.
_VERIFICATION_CURVE = 6


@dataclass(frozen=True)
class SimulatedCarrier:
    """A simulated carrier. It knows exactly the cards whose ICCID begins with `prefix`.

    The counters of its cards restart with each cycle, unless `is_lifetime` is true.
    """

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


def hash_of(iccid: str, subject: str) -> int:
    """Return a number below 2^64 that the ICCID and `subject` decide."""
    return int.from_bytes(hashlib.sha256(f"{subject}:{iccid}".encode()).digest()[:8])


def monthly_mb(iccid: str) -> int:
    """Return how many MB the card uses in each cycle, from 1 to 2,000."""
    return hash_of(iccid, "usage") % MAX_MONTHLY_MB + 1


@dataclass(frozen=True)
class Cycle:
    """A billing cycle that begins at `begin` and ends just before `end`.

    `earlier` is the number of earlier cycles that the carrier's counters include.
    """

    begin: datetime
    end: datetime
    earlier: int

    def counted(self, moment: datetime) -> float:
        """Return how many cycles the carrier's counters include at `moment`, a time in this cycle."""
        return self.earlier + (moment - self.begin) / (self.end - self.begin)


def cycle_of(carrier: SimulatedCarrier, moment: datetime) -> Cycle:
    """Return the carrier's cycle that contains `moment`. Its `earlier` is 0 if counters restart."""
    first_day = carrier.calendar.cycle_of(moment)
    begin, end = carrier.calendar.bounds_of(first_day)
    since = cycles_between(date(FIRST_YEAR, 1, carrier.billing_day), first_day)
    return Cycle(begin, end, since if carrier.is_lifetime else 0)


def counter_mb(iccid: str, cycles: float) -> Decimal:
    """Return the card's counter after `cycles` cycles, in MB, rounded down to a thousandth."""
    return Decimal(monthly_mb(iccid) * cycles).quantize(STEP, ROUND_DOWN)


def verified_at(iccid: str) -> datetime:
    """Return when the card's holder is verified. The moment is within five years from the start of 2024."""
    share = hash_of(iccid, "verification") / 2**64
    return _VERIFICATIONS_BEGIN + timedelta(seconds=int(_VERIFICATION_SECONDS * share**_VERIFICATION_CURVE))
