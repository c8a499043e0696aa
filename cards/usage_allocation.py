"""Which subscriptions a card's usage is counted on. Pure; all amounts are megabytes (10^6 bytes).

A card's own subscriptions go before its device's, as soon as one of its own is a main one. Of the owner's, the one
that runs out first is used up first; what no allowance has room for is counted on the main one, which is then over.
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
class Account:
    """A subscription, as far as counting and judging need it. `judged` is its state as last stored; None: never."""

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
    judged: Subscription.State | None = None

    @property
    def runs_out_at(self) -> datetime:
        """When what is left of the allowance is lost."""
        if self.is_main:
            return end_of(self.period_start, cycle=self.cycle, calendar=self.calendar)
        return self.ends_at or _NEVER

    def is_in_force_at(self, moment: datetime) -> bool:
        """Whether usage of that moment counts on it."""
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)

    def period_of(self, moment: datetime) -> date:
        """The period in which `moment` lies."""
        return period_of(moment, cycle=self.cycle, starts_at=self.starts_at, calendar=self.calendar)

    def at(self, moment: datetime) -> "Account":
        """As it is in the period of `moment`: a main one starts again at 0. An add-on has one period only.

        A period never goes back, also when the carrier's calendar is corrected: the present one is then longer.
        """
        if not self.is_main:
            return self
        period = self.period_of(moment)
        return self if period <= self.period_start else replace(self, period_start=period, used_mb=ZERO)


@dataclass(frozen=True)
class Growth:
    """What a reading added. A first reading covers its whole cycle, `since` its begin; others what came after
    the reading before.
    """

    card_id: int
    added_mb: Decimal
    measured_at: datetime
    since: datetime | None = None


def in_charge(accounts: Iterable[Account], moment: datetime) -> list[Account]:
    """The accounts that usage of `moment` counts on, in the order in which they are used up; empty: none."""
    in_force = [account for account in accounts if account.is_in_force_at(moment)]
    for is_own in (True, False):
        owned = [account.at(moment) for account in in_force if account.is_own is is_own]
        if any(account.is_main for account in owned):
            return sorted(owned, key=lambda account: (account.runs_out_at, account.id))
    return []


def counted(accounts: Sequence[Account], growth: Growth) -> list[Account]:
    """`accounts`, which are `in_charge`, after the growth.

    What a first reading tells of the time before a main one began is nobody's.
    """
    main = next(account for account in accounts if account.is_main)
    if growth.since is not None and main.starts_at > growth.since:
        return list(accounts)
    if growth.measured_at < main.calendar.start_of(main.period_start):
        # A late reading, of a period that another card of the device has ended.
        return list(accounts)
    left, after = growth.added_mb, {}
    for account in accounts:
        part = max(ZERO, min(left, account.allowance_mb - account.used_mb))
        after[account.id] = replace(account, used_mb=account.used_mb + part)
        left -= part
    after[main.id] = replace(after[main.id], used_mb=after[main.id].used_mb + left)
    return list(after.values())
