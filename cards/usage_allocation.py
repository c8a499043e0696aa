"""Decide which subscriptions a card's usage is counted on, without I/O. Amounts are megabytes (10^6 bytes).

A card with a main subscription of its own uses only its own subscriptions. Any other card uses the
subscriptions of its device. Usage is counted first on the subscription that expires first. Usage beyond all
allowances is counted on the main subscription. The main subscription is then over its quota.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from cards.meter import Meter, Step
from cards.models import PlanCycle, Subscription
from cards.periods import end_of, period_of
from cards.usage_bounds import EXACT, Bounds
from carriers.cycles import BillingCalendar
from common.frozen import changed

ZERO = Decimal(0)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Allowance:
    """The fields of a subscription that are needed to count its usage and to compare it with its quota.

    `is_own` is False for a subscription of a device. `stored_state` and `stored_possible_state` are the states
    in the database, or None if no package check has stored one yet. `bounds` are those of cycles that the meters
    of the cards no longer know.
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
    stored_possible_state: Subscription.State | None = None
    bounds: Bounds = EXACT

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

        An add-on has a single period, so its usage never restarts.
        """
        if not self.is_main:
            return self
        period = self.period_of(moment)
        if period <= self.period_start:
            return self
        return changed(self, period_start=period, used_mb=ZERO, bounds=EXACT)

    @property
    def began_at(self) -> datetime:
        """The time since which usage is counted in `used_mb`."""
        return self.calendar.start_of(self.period_start) if self.is_main else self.starts_at

    @property
    def began_on(self) -> date:
        """The date of `began_at` in the carrier's time zone."""
        return self.period_start if self.is_main else self.calendar.day_of(self.starts_at)

    @property
    def is_stretched(self) -> bool:
        """Whether a changed calendar makes the monthly period longer than any month."""
        is_monthly = self.is_main and self.cycle is PlanCycle.MONTH
        return is_monthly and self.calendar.is_stretched(self.period_start)

    def covers(self, boundary: datetime) -> bool:
        """Return whether usage just before `boundary` belongs to the current period too."""
        return self.began_at < boundary


@dataclass(frozen=True)
class Growth:
    """The usage that one reading added. It is negative if the reading corrected earlier ones.

    The first reading of a card covers the entire cycle up to the reading, so `since` is the start of that
    cycle. Any later reading covers only the time since the reading before it, and `since` is None.

    `earlier_mb` is usage before `boundary`, the start of the meter's cycle. It counts on subscriptions whose
    period had begun by then. The periods of all others are over, or had not begun.

    `forgotten` are the bounds of usage before `forgotten_until` that the meter no longer knows, because it is
    two cycles old. There are none if `forgotten_until` is None.
    """

    card_id: int
    added_mb: Decimal
    measured_at: datetime
    since: datetime | None = None
    earlier_mb: Decimal = ZERO
    boundary: datetime | None = None
    forgotten: Bounds = EXACT
    forgotten_until: datetime | None = None

    @property
    def began_at(self) -> datetime | None:
        """The start of the meter's cycle."""
        return self.boundary or self.since

    def limited_to(self, most_mb: Decimal) -> "Growth":
        """Return a correction that takes back no more than `most_mb`."""
        return changed(self, added_mb=max(self.added_mb, -max(ZERO, most_mb)))


def growths_of(card_id: int, before: Meter | None, step: Step, calendar: BillingCalendar) -> list[Growth]:
    """Return what a reading adds to the subscriptions of a card. `before` is the meter before the reading."""
    meter = step.meter
    boundary = calendar.start_of(meter.cycle_start)
    # A reading that is held after the boundary leaves the meter's time before it.
    at = max(meter.measured_at, boundary)
    if before is None:
        return [Growth(card_id, step.delta_mb, at, since=boundary)]
    growths, earlier = [], step.last_delta_mb
    if step.first_mb:
        growths.append(Growth(card_id, step.first_mb, at, since=boundary))
        if earlier:
            # The first reading moves to the previous cycle, or back from there.
            since = calendar.start_of(meter.last_cycle)
            growths.append(Growth(card_id, ZERO, at, since, earlier_mb=-step.first_mb, boundary=boundary))
            earlier += step.first_mb
    later = step.delta_mb - step.first_mb
    forgotten = _forgotten(before, meter)
    # Report the first reading of each day even if nothing was used, so that a new period starts at 0 on time.
    if (
        later
        or earlier
        or forgotten is not EXACT
        or calendar.day_of(at) != calendar.day_of(before.measured_at)
    ):
        growths.append(
            Growth(
                card_id,
                later,
                at,
                earlier_mb=earlier,
                boundary=boundary,
                forgotten=forgotten,
                forgotten_until=None if forgotten is EXACT else calendar.start_of(before.cycle_start),
            )
        )
    return growths


def _forgotten(before: Meter, after: Meter) -> Bounds:
    """Return the bounds of the previous cycle, if `after` is in a new cycle and knows only those of `before`."""
    if before.cycle_start == after.cycle_start or before.is_plain:
        return EXACT
    forgotten = Bounds(min(before.last_over_mb, before.last_month_total_mb), before.last_under_mb)
    if after.last_cycle == before.cycle_start:
        return forgotten
    return forgotten + Bounds(before.used_mb - before.low_mb, before.under_mb)


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
    allowances = _with_forgotten(allowances, growth)
    grown = _changed(allowances, growth.added_mb)
    if growth.boundary is None or not growth.earlier_mb:
        return grown
    covering = [allowance for allowance in grown if allowance.covers(growth.boundary)]
    after = {allowance.id: allowance for allowance in (*grown, *_changed(covering, growth.earlier_mb))}
    return list(after.values())


def _with_forgotten(allowances: Sequence[Allowance], growth: Growth) -> Sequence[Allowance]:
    """Keep the bounds that the meter no longer knows on the allowance that will count that usage longest."""
    until = growth.forgotten_until
    if until is None:
        return allowances
    covering = [allowance for allowance in allowances if allowance.covers(until)]
    if not covering:
        return allowances
    keeper = max(covering, key=lambda allowance: (allowance.runs_out_at, allowance.id))
    kept = changed(keeper, bounds=keeper.bounds + growth.forgotten)
    return [kept if allowance is keeper else allowance for allowance in allowances]


def _changed(allowances: Sequence[Allowance], amount: Decimal) -> list[Allowance]:
    """Add `amount` in the order of `allowances`, or take it back. What exceeds them counts on the main one."""
    if amount < 0:
        return _given_back(allowances, -amount)
    left, after = amount, {}
    for allowance in allowances:
        part = max(ZERO, min(left, allowance.allowance_mb - allowance.used_mb))
        after[allowance.id] = changed(allowance, used_mb=allowance.used_mb + part) if part else allowance
        left -= part
    main = next((allowance for allowance in after.values() if allowance.is_main), None)
    if main and left:
        after[main.id] = changed(main, used_mb=main.used_mb + left)
    return list(after.values())


def _given_back(allowances: Sequence[Allowance], surplus: Decimal) -> list[Allowance]:
    """Take back usage that was counted by mistake: first what exceeds the allowances, then in reverse order."""
    after = {allowance.id: allowance for allowance in allowances}
    excess = [(main.id, max(ZERO, main.used_mb - main.allowance_mb)) for main in allowances if main.is_main]
    portions = [*excess, *((allowance.id, allowance.used_mb) for allowance in reversed(allowances))]
    for allowance_id, most in portions:
        used = after[allowance_id].used_mb
        part = min(surplus, most, used)
        after[allowance_id] = changed(after[allowance_id], used_mb=used - part)
        surplus -= part
    return list(after.values())
