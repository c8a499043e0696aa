"""Turn readings of a carrier's counter into the usage of a billing cycle. Pure functions, without I/O.

If the counter restarts each cycle, the usage of a cycle is the highest value of the counter in that cycle. If
the counter never restarts, the usage of a cycle is the sum of the counter's increases in that cycle. All
amounts are megabytes (10^6 bytes).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from carriers.cycles import BillingCalendar, cycles_between

ZERO = Decimal(0)
# A drop of at most 1 MB, or 1 % of the counter if that is more, is rounding by the carrier and not a reset.
JITTER_MB = Decimal(1)
JITTER_SHARE = Decimal("0.01")
# Carriers reset their counters at the start of a billing cycle, at most RESET_WINDOW early or late.
RESET_WINDOW = timedelta(hours=6)
# A drop outside that window, or a missing reset, is accepted only if readings show it for ACCEPT_AFTER.
ACCEPT_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Tariff:
    """How to interpret a carrier's counter.

    A lifetime counter never restarts. Any other counter restarts in each cycle.
    """

    calendar: BillingCalendar
    is_lifetime: bool


@dataclass(frozen=True)
class Reading:
    """The value of a counter, and the time at which the carrier measured it."""

    raw_mb: Decimal
    measured_at: datetime


@dataclass(frozen=True)
class Meter:
    """The state of a card's metering, kept from one reading to the next.

    `used_mb` is the usage of the cycle that begins on `cycle_start`. `raw_mb` is the highest counter value
    since the last reset, and the next increase is measured from it. While readings contradict the meter,
    `suspect_raw_mb` is the value of the latest of these readings, and `suspect_since` the time of the first.
    """

    cycle_start: date
    used_mb: Decimal
    raw_mb: Decimal
    measured_at: datetime
    last_month_total_mb: Decimal = ZERO
    suspect_raw_mb: Decimal | None = None
    suspect_since: datetime | None = None

    @property
    def is_suspect(self) -> bool:
        """Whether the latest readings contradict the meter."""
        return self.suspect_since is not None


@dataclass(frozen=True)
class Step:
    """The effect of one reading: the meter after the reading, and the usage that the reading added."""

    meter: Meter
    delta_mb: Decimal = ZERO


def advance(meter: Meter | None, reading: Reading, tariff: Tariff) -> Step:
    """Return the meter after `reading`, and the usage that the reading added.

    If `meter` is None, the reading starts a new meter. An old or repeated reading changes nothing.

    Example::

        step = advance(meter, Reading(Decimal("12.5"), measured_at), tariff)
        step.meter.used_mb, step.delta_mb
    """
    if meter is None:
        return _first(reading, tariff)
    if reading.measured_at <= meter.measured_at:
        return Step(meter)
    cycle = tariff.calendar.cycle_of(reading.measured_at)
    if cycle > meter.cycle_start:
        return _in_new_cycle(_rolled_over(meter, cycle), reading, tariff)
    return _in_same_cycle(meter, reading, tariff)


def is_worth_recording(before: Meter | None, after: Meter) -> bool:
    """Return whether to record a reading: it changed the meter, or was the first reading of its UTC day."""
    if before is None:
        return True
    is_new_day = after.measured_at.date() != before.measured_at.date()
    return is_new_day or replace(after, measured_at=before.measured_at) != before


def _first(reading: Reading, tariff: Tariff) -> Step:
    used = ZERO if tariff.is_lifetime else reading.raw_mb
    cycle = tariff.calendar.cycle_of(reading.measured_at)
    return Step(Meter(cycle, used, reading.raw_mb, reading.measured_at))


def _rolled_over(meter: Meter, cycle: date) -> Meter:
    # Without a reading in the previous cycle, the usage of that cycle is unknown and counts as 0.
    is_next = cycles_between(meter.cycle_start, cycle) == 1
    return replace(
        meter, cycle_start=cycle, used_mb=ZERO, last_month_total_mb=meter.used_mb if is_next else ZERO
    )


def _in_new_cycle(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    if tariff.is_lifetime:
        return _in_same_cycle(meter, reading, tariff)
    if _is_near_boundary(reading, tariff) and reading.raw_mb >= meter.raw_mb:
        # The carrier has not reset its counter yet, so only the increase belongs to the new cycle.
        return _grown(meter, reading, reading.raw_mb - meter.raw_mb)
    return _reset(meter, reading)


def _in_same_cycle(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    drop = meter.raw_mb - reading.raw_mb
    if drop <= 0:
        return _higher(meter, reading, tariff)
    if drop <= max(JITTER_MB, meter.raw_mb * JITTER_SHARE):
        return Step(replace(meter, measured_at=reading.measured_at, suspect_raw_mb=None, suspect_since=None))
    if not tariff.is_lifetime and _is_near_boundary(reading, tariff):
        return _reset_near_boundary(meter, reading, tariff)
    # If the drop is accepted, the cycle keeps its usage so far, and the reading adds none.
    return _suspicious(meter, reading, accepted_delta=ZERO)


def _higher(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    if tariff.is_lifetime:
        return _grown(meter, reading, reading.raw_mb - meter.raw_mb)
    if _carries_last_cycle(meter) and not _is_near_boundary(reading, tariff):
        # Either no reset took place, or it was missed because the counter has passed its old value again. In
        # both cases, if the reading is accepted, the counter's value becomes the usage of the cycle.
        return _suspicious(meter, reading, accepted_delta=reading.raw_mb - meter.used_mb)
    # After an accepted drop, the counter is below `used_mb`. It adds usage again once it exceeds `used_mb`.
    return _grown(meter, reading, max(ZERO, reading.raw_mb - max(meter.raw_mb, meter.used_mb)))


def _carries_last_cycle(meter: Meter) -> bool:
    """Return whether a counter that restarts each cycle still includes usage of the previous cycle."""
    return meter.raw_mb > meter.used_mb


def _reset_near_boundary(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    # A carrier may reset its counter shortly before a cycle ends. A reading after such a reset belongs to the
    # next cycle.
    nearest = tariff.calendar.cycle_of(reading.measured_at + RESET_WINDOW)
    if nearest > meter.cycle_start:
        meter = _rolled_over(meter, nearest)
    return _reset(meter, reading)


def _is_near_boundary(reading: Reading, tariff: Tariff) -> bool:
    seconds = tariff.calendar.seconds_to_nearest_boundary(reading.measured_at)
    return seconds <= RESET_WINDOW.total_seconds()


def _reset(meter: Meter, reading: Reading) -> Step:
    if _carries_last_cycle(meter):
        # The reset came late. The carrier counts all usage before the reset in the previous cycle.
        total = meter.last_month_total_mb + meter.used_mb
        return _grown(replace(meter, used_mb=ZERO, last_month_total_mb=total), reading, reading.raw_mb)
    added = max(ZERO, reading.raw_mb - meter.used_mb)
    return _grown(replace(meter, used_mb=reading.raw_mb - added), reading, added)


def _grown(meter: Meter, reading: Reading, delta: Decimal) -> Step:
    after = replace(
        meter,
        used_mb=meter.used_mb + delta,
        raw_mb=reading.raw_mb,
        measured_at=reading.measured_at,
        suspect_raw_mb=None,
        suspect_since=None,
    )
    return Step(after, delta)


def _suspicious(meter: Meter, reading: Reading, *, accepted_delta: Decimal) -> Step:
    """Mark the meter as suspect. If it has been suspect for ACCEPT_AFTER, accept the reading instead.

    `accepted_delta` is the usage that the reading adds if it is accepted.
    """
    since = meter.suspect_since
    if since is not None and reading.measured_at - since >= ACCEPT_AFTER:
        return _grown(meter, reading, accepted_delta)
    return Step(
        replace(
            meter,
            measured_at=reading.measured_at,
            suspect_raw_mb=reading.raw_mb,
            suspect_since=since or reading.measured_at,
        )
    )
