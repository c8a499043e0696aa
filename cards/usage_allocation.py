"""Decide which subscriptions a card's usage is counted on. Pure; all amounts are megabytes (10^6 bytes).

A card's own subscriptions take precedence over its device's if one of its own is a main subscription. Among
one owner's subscriptions, the one that runs out first is used first. Usage that exceeds all allowances is
counted on the main subscription, which is then over its quota.
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
    """A subscription, reduced to what counting and judging usage need.

    `is_own` is False for a subscription of the card's device. `stored_state` is the state in the row, or None
    if the subscription has never been judged.
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
        """The moment at which any unused allowance is lost."""
        if self.is_main:
            return end_of(self.period_start, cycle=self.cycle, calendar=self.calendar)
        return self.ends_at or _NEVER

    def is_in_force_at(self, moment: datetime) -> bool:
        """Return whether usage measured at `moment` can count on this subscription."""
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)

    def period_of(self, moment: datetime) -> date:
        """Return the first local day of the period that contains `moment`."""
        return period_of(moment, cycle=self.cycle, starts_at=self.starts_at, calendar=self.calendar)

    def at(self, moment: datetime) -> "Allowance":
        """Return the allowance in the period of `moment`: a main one restarts at 0 in each new period.

        An add-on has a single period. A period never moves backwards: if the carrier's calendar is corrected,
        the current period is extended instead.
        """
        if not self.is_main:
            return self
        period = self.period_of(moment)
        return self if period <= self.period_start else replace(self, period_start=period, used_mb=ZERO)


@dataclass(frozen=True)
class Growth:
    """The usage that one reading added.

    The first reading of a card covers its whole cycle, and `since` is the start of that cycle. A later
    reading covers the time since the previous one, and `since` is None.
    """

    card_id: int
    added_mb: Decimal
    measured_at: datetime
    since: datetime | None = None


def applicable(allowances: Iterable[Allowance], moment: datetime) -> list[Allowance]:
    """Return the allowances that usage of `moment` counts on, in the order of use.

    Return an empty list if neither the card nor its device has a main subscription in force.
    """
    in_force = [allowance for allowance in allowances if allowance.is_in_force_at(moment)]
    for is_own in (True, False):
        owned = [allowance.at(moment) for allowance in in_force if allowance.is_own is is_own]
        if any(allowance.is_main for allowance in owned):
            return sorted(owned, key=lambda allowance: (allowance.runs_out_at, allowance.id))
    return []


def allocate_usage(allowances: Sequence[Allowance], growth: Growth) -> list[Allowance]:
    """Return `allowances`, which come from `applicable`, with the usage of `growth` added to them.

    A first reading counts nothing if the main subscription began after `growth.since`: part of that usage is
    older than the subscription.
    """
    main = next(allowance for allowance in allowances if allowance.is_main)
    if growth.since is not None and main.starts_at > growth.since:
        return list(allowances)
    if growth.measured_at < main.calendar.start_of(main.period_start):
        # A late reading from a period that a reading of another card in the device has already closed.
        return list(allowances)
    left, after = growth.added_mb, {}
    for allowance in allowances:
        part = max(ZERO, min(left, allowance.allowance_mb - allowance.used_mb))
        after[allowance.id] = replace(allowance, used_mb=allowance.used_mb + part)
        left -= part
    after[main.id] = replace(after[main.id], used_mb=after[main.id].used_mb + left)
    return list(after.values())
