"""The meter of a card: what is kept from one reading of its counter to the next.

`cards.metering` turns readings into usage. All amounts are megabytes (10^6 bytes).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from carriers.cycles import BillingCalendar, shifted
from common.frozen import changed

ZERO = Decimal(0)


class Restart(StrEnum):
    """Whether a counter that restarts each cycle has restarted in the meter's cycle.

    A restart is `AWAITED` from the start of a cycle until a reading shows it, and `MISSED` if none has shown it
    for as long as restarts can be late. If the card was first read soon after the start of the cycle, its
    restart is `UNKNOWN`, and so is one that was inferred from the restarts of other cards. If the card was first
    read later, its restart is `LIKELY` until more readings confirm it: then a drop is no restart.
    """

    AWAITED = "awaited"
    SEEN = "seen"
    UNKNOWN = "unknown"
    LIKELY = "likely"
    MISSED = "missed"


OPEN_RESTARTS = frozenset({Restart.AWAITED, Restart.UNKNOWN, Restart.LIKELY})


class Doubt(StrEnum):
    """Why the usage of a cycle is uncertain."""

    NOT_RESTARTED = "not_restarted"
    BOUNDARY_NOT_SEEN = "boundary_not_seen"
    COUNTER_REPLACED = "counter_replaced"
    SUDDEN_RISE = "sudden_rise"


class Cause(StrEnum):
    """Why a reading, or a person, changed usage in another way than by growth."""

    RESTARTED = "restarted"
    RETURNED = "returned"
    OTHER_COUNTER = "other_counter"
    DECIDED = "decided"


@dataclass(frozen=True)
class Tariff:
    """How to interpret a carrier's counter.

    A lifetime counter never restarts. Any other counter restarts in each cycle. A card can use at most
    `max_mb_per_second`. If a carrier stamps its readings with days only, `stamp_grain` is one day. A reading
    of another `carrier_id` than the meter's comes from another counter.

    Other cards of the carrier are witnesses: nearly all their counters have restarted in the cycle
    `restarted_cycle`, and most rose too fast together if `others_rose`.
    """

    calendar: BillingCalendar
    is_lifetime: bool
    # 320 Mbit/s
    max_mb_per_second: Decimal = Decimal(40)
    stamp_grain: timedelta = timedelta()
    carrier_id: int | None = None
    restarted_cycle: date | None = None
    others_rose: bool = False


@dataclass(frozen=True)
class Reading:
    """The value of a counter, the time at which the carrier measured it, and whether the network is stopped."""

    raw_mb: Decimal
    measured_at: datetime
    is_stopped: bool = False

    @property
    def is_evidence(self) -> bool:
        """Whether the reading says anything: some carriers report 0 for cards whose network is stopped."""
        return self.raw_mb > 0 or not self.is_stopped


@dataclass(frozen=True)
class Suspect:
    """Readings that contradict the meter: the value of the latest one, and the time of the first one."""

    raw_mb: Decimal
    since: datetime


@dataclass(frozen=True)
class Before:
    """What an odd reading at `at` changed in a meter. It is restored if the counter returns."""

    raw_mb: Decimal
    used_mb: Decimal
    last_mb: Decimal
    restart: Restart
    at: datetime
    first_mb: Decimal = ZERO


@dataclass(frozen=True)
class Uncertainty:
    """Why usage is uncertain, since when, and by how much: it may be up to `over_mb` too high, or `under_mb` too low."""

    doubt: Doubt
    since: datetime
    over_mb: Decimal = ZERO
    under_mb: Decimal = ZERO


@dataclass(frozen=True)
class Meter:
    """The state of a card's metering, kept from one reading to the next.

    `used_mb` is the usage of the cycle that begins on `cycle_start`. Growth is measured from the counter value
    `raw_mb`, which was the latest believed value at `measured_at`. The counter belongs to the carrier
    `carrier_id`, and has been lower by jitter since `lower_since`. `suspect` is set while readings contradict
    the meter. After an odd reading was believed, `before` says what it changed, for as long as the counter may
    return. `uncertainty` bounds the usage of the cycle, and `last_over_mb` and `last_under_mb` bound
    `last_month_total_mb` in the same way.

    `last_start` is set if the previous cycle did not begin a month before, because the calendar has changed.
    `first_mb` is the part of `used_mb` that is the card's first reading, while its restart is unknown.
    """

    cycle_start: date
    used_mb: Decimal
    raw_mb: Decimal
    measured_at: datetime
    last_month_total_mb: Decimal = ZERO
    restart: Restart = Restart.UNKNOWN
    carrier_id: int | None = None
    lower_since: datetime | None = None
    suspect: Suspect | None = None
    before: Before | None = None
    uncertainty: Uncertainty | None = None
    last_over_mb: Decimal = ZERO
    last_under_mb: Decimal = ZERO
    last_start: date | None = None
    first_mb: Decimal = ZERO

    @property
    def is_plain(self) -> bool:
        """Whether only the first fields are set, up to `carrier_id`, as in almost all meters."""
        return not (
            self.suspect
            or self.before
            or self.uncertainty
            or self.lower_since
            or self.last_over_mb
            or self.last_under_mb
            or self.last_start
            or self.first_mb
        )

    @property
    def last_cycle(self) -> date:
        """The first day of the previous cycle."""
        return self.last_start or shifted(self.cycle_start, -1)

    @property
    def is_unread(self) -> bool:
        """Whether no reading of the card could be believed yet."""
        return bool(self.suspect and self.restart is Restart.UNKNOWN and not self.raw_mb and not self.used_mb)

    @property
    def is_suspect(self) -> bool:
        """Whether the latest readings contradict the meter."""
        return self.suspect is not None

    @property
    def is_certain(self) -> bool:
        """Whether `used_mb` is known exactly, as far as the readings tell."""
        return self.suspect is None and self.uncertainty is None

    @property
    def doubt(self) -> Doubt | None:
        """Why the usage of the cycle is uncertain."""
        return self.uncertainty.doubt if self.uncertainty else None

    @property
    def over_mb(self) -> Decimal:
        """The most by which `used_mb` may be too high."""
        return self.uncertainty.over_mb if self.uncertainty else ZERO

    @property
    def under_mb(self) -> Decimal:
        """The most by which `used_mb` may be too low."""
        return self.uncertainty.under_mb if self.uncertainty else ZERO

    @property
    def may_restart(self) -> bool:
        """Whether the counter may still restart, so that all usage may belong to the previous cycle."""
        return self.restart is not Restart.SEEN and self.restart in OPEN_RESTARTS

    @property
    def is_restart_inferred(self) -> bool:
        """Whether the counter is taken to have restarted unseen because other cards' counters have."""
        before = self.before
        return self.restart is Restart.UNKNOWN and bool(before and before.restart is Restart.AWAITED)

    @property
    def is_provisional(self) -> bool:
        """Whether no usage is certain: the counter may still restart, or only the latest reading shows a restart."""
        before = self.before
        is_latest = before is not None and before.at == self.measured_at and self.raw_mb < before.raw_mb
        return self.may_restart or bool(is_latest and before and before.restart in OPEN_RESTARTS)

    @property
    def unconfirmed_mb(self) -> Decimal:
        """The usage that only the latest reading shows, if the counter has doubled or more."""
        before = self.before
        is_latest = before is not None and before.at == self.measured_at and before.raw_mb < self.raw_mb
        return self.used_mb - before.used_mb if before and is_latest else ZERO

    @property
    def low_mb(self) -> Decimal:
        """The least that the card can have used in this cycle."""
        if self.is_provisional:
            return ZERO
        return max(ZERO, self.used_mb - max(self.over_mb, self.unconfirmed_mb))

    @property
    def high_mb(self) -> Decimal:
        """The most that the card can have used in this cycle."""
        return self.used_mb + self.under_mb

    def believing(self, reading: Reading, **changes: Any) -> Self:
        """Return the meter with `changes`, in which growth is measured from `reading`."""
        return changed(
            self,
            raw_mb=reading.raw_mb,
            measured_at=reading.measured_at,
            lower_since=None,
            suspect=None,
            **changes,
        )

    def doubting(self, doubt: Doubt, since: datetime, *, over: Decimal = ZERO, under: Decimal = ZERO) -> Self:
        """Return the meter with the usage of its cycle uncertain by these amounts more than before."""
        if not (over or under):
            return self
        if self.uncertainty:
            since = self.uncertainty.since
        uncertainty = Uncertainty(doubt, since, self.over_mb + over, self.under_mb + under)
        return changed(self, uncertainty=uncertainty)

    def relieved(self, *, over: Decimal) -> Self:
        """Return the meter with `over` less in its upper error. Without any error left, its usage is certain."""
        if self.uncertainty is None:
            return self
        uncertainty: Uncertainty | None = changed(self.uncertainty, over_mb=max(ZERO, self.over_mb - over))
        if uncertainty and not (uncertainty.over_mb or uncertainty.under_mb):
            uncertainty = None
        return changed(self, uncertainty=uncertainty)

    def remembered(self, at: datetime) -> Before:
        """Return what to remember of the meter before an odd reading at `at` changes it."""
        return Before(self.raw_mb, self.used_mb, self.last_month_total_mb, self.restart, at, self.first_mb)


@dataclass(frozen=True)
class Step:
    """The effect of one reading: the meter after it, and the usage that it added or corrected.

    `delta_mb` is the change in the meter's cycle, and `last_delta_mb` the change in the cycle before. Either is
    negative if usage was counted in the wrong cycle, or was none. `first_mb` is the part of `delta_mb` that is
    the card's first reading, or corrects it. `cause` is set unless the counter simply grew.
    """

    meter: Meter
    delta_mb: Decimal = ZERO
    last_delta_mb: Decimal = ZERO
    first_mb: Decimal = ZERO
    cause: Cause | None = None

    @property
    def reason(self) -> str | None:
        """The cause of the change, or why the usage is uncertain after it. It is kept in the usage record."""
        uncertain = "suspect" if self.meter.suspect else self.meter.doubt
        return self.cause or uncertain
