"""Decide which subscriptions a card's usage is counted on, without I/O. Amounts are megabytes (10^6 bytes).

A card with a main subscription of its own uses only its own subscriptions. Any other card uses the
subscriptions of its device. Usage is counted first on the subscription that expires first. Usage beyond all
allowances is counted on the main subscription. The main subscription is then over its quota.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from cards.models import PlanCycle, Subscription
from cards.periods import end_of, period_of
from carriers.cycles import BillingCalendar

ZERO = Decimal(0)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Allowance:
    """The fields of a subscription that are needed to count its usage and to compare it with its quota.

    `is_own` is False for a subscription of a device. `stored_state` is the state in the database, or None if
    no package check has stored one yet.
    """

    id: int
    is_own: bool
    is_main: bool
    allowance_mb: Decimal
    used_mb: Decimal
    period_start: date
    starts_at: datetime
    ends_at: datetime | None
    cycle: PlanCycle
    calendar: BillingCalendar
    quota_version: int
    stored_state: Subscription.State | None = None

    @property
    def runs_out_at(self) -> datetime:
        """The time at which the unused part of the allowance expires."""
        if self.is_main:
            return end_of(self.period_start, cycle=self.cycle, calendar=self.calendar)
        return self.ends_at or _NEVER

    def is_in_force_at(self, moment: datetime) -> bool:
        """Return whether usage measured at `moment` may be counted on this subscription."""
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)

    def period_of(self, moment: datetime) -> date:
        """Return the first day (in the carrier's time zone) of the period that contains `moment`."""
        return period_of(moment, cycle=self.cycle, starts_at=self.starts_at, calendar=self.calendar)

    def at(self, moment: datetime) -> "Allowance":
        """Return the allowance as it is at `moment`: if a new period has begun, `used_mb` is 0 again.

        An add-on has a single period, so its usage never restarts. A period never moves back: if a correction
        of the carrier's calendar puts `moment` into an earlier period, the current period continues.
        """
        if not self.is_main:
            return self
        period = self.period_of(moment)
        return self if period <= self.period_start else replace(self, period_start=period, used_mb=ZERO)


@dataclass(frozen=True)
class Growth:
    """The usage that one reading added. It is negative if the reading corrected earlier ones.

    The first reading of a card covers the entire cycle up to the reading, so `since` is the start of that
    cycle. Any later reading covers only the time since the reading before it, and `since` is None.
    """

    card_id: int
    added_mb: Decimal
    measured_at: datetime
    since: datetime | None = None


def applicable(allowances: Iterable[Allowance], moment: datetime) -> list[Allowance]:
    """Return the allowances for usage measured at `moment`, in the order in which they are used up.

    Return an empty list if neither the card nor its device has a main subscription in force.
    """
    in_force = [allowance for allowance in allowances if allowance.is_in_force_at(moment)]
    for is_own in (True, False):
        owned = [allowance.at(moment) for allowance in in_force if allowance.is_own is is_own]
        if any(allowance.is_main for allowance in owned):
            return sorted(owned, key=lambda allowance: (allowance.runs_out_at, allowance.id))
    return []


def allocate_usage(allowances: Sequence[Allowance], growth: Growth) -> list[Allowance]:
    """Add the usage of `growth` to `allowances`, and return them. `allowances` must come from `applicable`.

    Add nothing if `growth` is a card's first reading and the main subscription began after `growth.since`,
    because part of the usage may be older than the subscription.
    """
    main = next(allowance for allowance in allowances if allowance.is_main)
    if growth.since is not None and main.starts_at > growth.since:
        return list(allowances)
    if growth.measured_at < main.calendar.start_of(main.period_start):
        # Ignore a late reading: a newer reading of another card in the device has already closed the period.
        return list(allowances)
    if growth.added_mb < 0:
        return _given_back(allowances, main, -growth.added_mb)
    left, after = growth.added_mb, {}
    for allowance in allowances:
        part = max(ZERO, min(left, allowance.allowance_mb - allowance.used_mb))
        after[allowance.id] = replace(allowance, used_mb=allowance.used_mb + part)
        left -= part
    after[main.id] = replace(after[main.id], used_mb=after[main.id].used_mb + left)
    return list(after.values())


def _given_back(allowances: Sequence[Allowance], main: Allowance, surplus: Decimal) -> list[Allowance]:
    """Take back usage that was counted by mistake: first what exceeds the allowances, then in reverse order."""
    after = {allowance.id: allowance for allowance in allowances}
    excess = max(ZERO, main.used_mb - main.allowance_mb)
    portions = [(main.id, excess), *((allowance.id, allowance.used_mb) for allowance in reversed(allowances))]
    for allowance_id, most in portions:
        used = after[allowance_id].used_mb
        part = min(surplus, most, used)
        after[allowance_id] = replace(after[allowance_id], used_mb=used - part)
        surplus -= part
    return list(after.values())
