"""The rules for counters that restart in each cycle: when a drop is the restart, and what it changes. Pure functions."""

from datetime import datetime
from decimal import Decimal

from cards.counter_drops import confirmed, held, held_amount
from cards.meter import ZERO, Cause, Doubt, Meter, Reading, Restart, Step, Tariff
from cards.meter_limits import EARLY_RESTART, GAP, JITTER_SHARE, LATE_RESTART, possible
from common.frozen import changed


def may_restart(meter: Meter, tariff: Tariff) -> bool:
    """Return whether a drop may be the restart that each cycle of the counter begins with."""
    if meter.restart not in {Restart.AWAITED, Restart.UNKNOWN}:
        return False
    # The restart may have come at any time between the two readings, so the earlier one decides.
    return meter.measured_at <= tariff.calendar.start_of(meter.cycle_start) + LATE_RESTART


def may_restart_early(reading: Reading, tariff: Tariff) -> bool:
    """Return whether a drop may be an early restart of the next cycle, which then counts from the boundary."""
    if tariff.is_lifetime:
        return False
    calendar = tariff.calendar
    return calendar.cycle_of(reading.measured_at + EARLY_RESTART) > calendar.cycle_of(reading.measured_at)


def has_restarted_unseen(rolled: Meter, reading: Reading, tariff: Tariff) -> bool:
    """Return whether a counter that was not read around the boundary has restarted, as other cards' have."""
    if reading.measured_at - rolled.measured_at <= GAP or tariff.restarted_cycle != rolled.cycle_start:
        return False
    elapsed = reading.measured_at - tariff.calendar.start_of(rolled.cycle_start)
    has_moved = reading.raw_mb > rolled.raw_mb * (1 + JITTER_SHARE)
    return has_moved and reading.raw_mb <= possible(elapsed, tariff)


def dropped_near_boundary(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Take a drop for the restart, unless the counter still shows half of its old value or more than is possible."""
    begin = tariff.calendar.start_of(meter.cycle_start)
    since = max(begin - EARLY_RESTART, meter.measured_at)
    if reading.raw_mb > possible(reading.measured_at - since, tariff):
        return held(meter, reading)
    if _is_late(meter, reading, tariff) or reading.raw_mb * 2 < meter.raw_mb:
        return restarted(meter, reading, tariff)
    if not confirmed(meter, reading):
        return held(meter, reading)
    if tariff.restarted_cycle == meter.cycle_start:
        step = restarted(meter, reading, tariff)
        doubtful = step.meter.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=reading.raw_mb)
        return changed(step, meter=doubtful)
    return _lowered(meter, reading)


def restarted_unseen(rolled: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Count the whole counter. While restarts may still come, a drop would show that it had not restarted yet."""
    step = restarted(rolled, reading, tariff)
    is_late = _is_late(rolled, reading, tariff)
    return changed(step, meter=changed(step.meter, restart=Restart.SEEN if is_late else Restart.UNKNOWN))


def restarted(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Begin to count from 0. The carrier counts everything before the restart in the cycle before."""
    moved = meter.used_mb
    over, under = _bounds_of_readings(meter)
    if meter.is_restart_inferred and meter.before:
        # The counter had not restarted, so only its growth since then is usage.
        moved -= min(moved, meter.before.raw_mb)
    if meter.suspect and meter.suspect.raw_mb >= meter.raw_mb:
        # No later reading has told whether the rise was usage.
        elapsed = reading.measured_at - meter.measured_at
        under += min(held_amount(meter, meter.suspect), possible(elapsed, tariff))
    elif meter.suspect and reading.raw_mb < meter.suspect.raw_mb <= _possible_since(meter, tariff):
        # The counter has dropped twice: it was replaced, counted on from 0, and then restarted.
        over += meter.suspect.raw_mb
        under += held_amount(meter, meter.suspect) - meter.suspect.raw_mb
        moved += meter.suspect.raw_mb
    after = meter.believing(
        reading,
        used_mb=reading.raw_mb,
        last_month_total_mb=meter.last_month_total_mb + moved,
        last_over_mb=meter.last_over_mb + over,
        last_under_mb=meter.last_under_mb + under,
        restart=Restart.SEEN,
        first_mb=ZERO,
        before=meter.remembered(_restarted_at(meter, reading)),
        uncertainty=None,
    )
    added = reading.raw_mb - meter.used_mb
    return Step(after, added, moved, first_mb=-meter.first_mb, cause=Cause.RESTARTED)


def waited(meter: Meter, reading: Reading, tariff: Tariff) -> Meter:
    """Return the meter after a reading that shows no restart. In time, that decides what the counter does."""
    if not meter.may_restart:
        return meter
    is_late = _is_late(meter, reading, tariff)
    if meter.restart is Restart.AWAITED:
        return _missed(meter, reading, tariff) if is_late else meter
    have_others_restarted = tariff.restarted_cycle == meter.cycle_start
    if is_late or (have_others_restarted and meter.restart is Restart.LIKELY):
        # The counter would have restarted by now, so it had before the card was first read.
        return changed(meter.relieved(over=meter.first_mb), restart=Restart.SEEN, first_mb=ZERO)
    return meter.relieved(over=meter.first_mb) if have_others_restarted else meter


def _is_late(meter: Meter, reading: Reading, tariff: Tariff) -> bool:
    return reading.measured_at - tariff.calendar.start_of(meter.cycle_start) > LATE_RESTART


def _missed(meter: Meter, reading: Reading, tariff: Tariff) -> Meter:
    before_boundary = meter.raw_mb - meter.used_mb
    if tariff.is_lifetime or before_boundary <= 0:
        # Growth is the usage whether or not the counter has restarted.
        return changed(meter, restart=Restart.SEEN)
    missed = changed(meter, restart=Restart.MISSED)
    if meter.doubt is Doubt.BOUNDARY_NOT_SEEN:
        # Its bounds include this doubt.
        return missed
    return missed.doubting(Doubt.NOT_RESTARTED, reading.measured_at, under=before_boundary)


def _lowered(meter: Meter, reading: Reading) -> Step:
    """Count nothing: the carrier may have corrected its counter, or it has restarted and was used this much."""
    drop = meter.raw_mb - reading.raw_mb
    lower = meter.believing(
        reading,
        before=meter.remembered(meter.suspect.since if meter.suspect else reading.measured_at),
        last_over_mb=min(meter.last_month_total_mb, meter.last_over_mb + drop),
    )
    under = max(ZERO, reading.raw_mb - meter.used_mb)
    return Step(lower.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=drop, under=under))


def _restarted_at(meter: Meter, reading: Reading) -> datetime:
    """Return the time of the first reading that showed the restart. Zeros are no evidence."""
    suspect = meter.suspect
    return suspect.since if suspect and 0 < suspect.raw_mb < meter.raw_mb else reading.measured_at


def _possible_since(meter: Meter, tariff: Tariff) -> Decimal:
    """Return the most that a new counter can have shown when the readings began to contradict the meter."""
    return possible(meter.suspect.since - meter.measured_at, tariff) if meter.suspect else ZERO


def _bounds_of_readings(meter: Meter) -> tuple[Decimal, Decimal]:
    """Return by how much odd readings may have made the usage too high and too low.

    A restart answers all other doubts.
    """
    if meter.doubt in {Doubt.SUDDEN_RISE, Doubt.COUNTER_REPLACED}:
        return meter.over_mb, meter.under_mb
    return ZERO, ZERO
