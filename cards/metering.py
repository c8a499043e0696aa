"""Turn readings of a carrier's counter into the usage of a billing cycle. Pure functions, without I/O.

Some counters restart in each cycle, others never restart. Carriers restart counters late, answer zeros and
absurd values, and replace SIM cards. So usage is counted from the growth of the counter. What contradicts the
meter is held until a later reading explains it, and what cannot be known is flagged with a lower and an upper
bound. All amounts are megabytes (10^6 bytes).
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

from cards.counter_drops import (
    back_doubt,
    dropped,
    has_returned,
    held,
    held_amount,
    is_rise_doubted,
    lasted,
    returned,
)
from cards.counter_restarts import (
    dropped_near_boundary,
    has_restarted_unseen,
    may_restart,
    may_restart_early,
    restarted_unseen,
    waited,
)
from cards.meter import (
    ZERO,
    Before,
    Cause,
    Doubt,
    Meter,
    Reading,
    Restart,
    Step,
    Suspect,
    Tariff,
    Uncertainty,
)
from cards.meter_limits import (
    GAP,
    JITTER_LASTS,
    MONTH,
    SLACK_MB,
    SOON,
    UNIT_FACTOR,
    is_about,
    possible,
)
from carriers.cycles import BillingCalendar, cycles_between, shifted
from common.frozen import changed


def advance(meter: Meter | None, reading: Reading, tariff: Tariff) -> Step:
    """Return the meter after `reading`, and the usage that the reading added.

    If `meter` is None, the reading starts a new meter. A reading older than the meter changes nothing.

    Example::

        step = advance(meter, Reading(Decimal("12.5"), measured_at), tariff)
        step.meter.used_mb, step.delta_mb
    """
    if meter is None:
        return _first(reading, tariff)
    if not _is_news(meter, reading):
        return Step(meter)
    if meter.is_unread:
        return _second(meter, reading, tariff)
    if meter.carrier_id is None:
        meter = changed(meter, carrier_id=tariff.carrier_id)
    elif meter.carrier_id != tariff.carrier_id:
        return _of_other_counter(meter, reading, tariff)
    cycle, rolled = tariff.calendar.cycle_of(reading.measured_at), meter
    if cycle > meter.cycle_start:
        restart = Restart.SEEN if tariff.is_lifetime else Restart.AWAITED
        rolled = _rolled_over(meter, cycle, restart, tariff.calendar)
    elif cycle < meter.cycle_start or not _is_held_at_boundary(meter, tariff):
        return _in_cycle(meter, reading, tariff)
    return _over_boundary(rolled, meter, reading, tariff)


def _is_held_at_boundary(meter: Meter, tariff: Tariff) -> bool:
    """Return whether no reading in the meter's cycle could be believed yet."""
    return meter.is_suspect and meter.measured_at < tariff.calendar.start_of(meter.cycle_start)


def is_worth_recording(before: Meter | None, after: Meter) -> bool:
    """Return whether to record a reading: it changed the meter, or was the first reading of its UTC day."""
    if before is None or after.raw_mb != before.raw_mb:
        return True
    if after.measured_at.date() != before.measured_at.date():
        return True
    return _figures(after) != _figures(before)


def _figures(meter: Meter) -> tuple[object, ...]:
    uncertain = (meter.suspect, meter.uncertainty, meter.last_over_mb, meter.last_under_mb)
    return (
        meter.raw_mb, meter.used_mb, meter.cycle_start, meter.last_month_total_mb, *uncertain,
    )  # fmt: skip


def _first(reading: Reading, tariff: Tariff) -> Step:
    calendar, at = tariff.calendar, reading.measured_at
    cycle = calendar.cycle_of(at)
    elapsed = at - calendar.start_of(cycle)
    if reading.raw_mb > possible(MONTH if tariff.is_lifetime else elapsed, tariff):
        nothing = Meter(cycle, ZERO, ZERO, at, carrier_id=tariff.carrier_id)
        return Step(changed(nothing, suspect=Suspect(reading.raw_mb, at)))
    used, restart = reading.raw_mb, Restart.LIKELY if elapsed > SOON else Restart.UNKNOWN
    if tariff.is_lifetime:
        used, restart = ZERO, Restart.SEEN
    meter = Meter(cycle, used, reading.raw_mb, at, restart=restart, carrier_id=tariff.carrier_id)
    if restart is Restart.UNKNOWN:
        meter = changed(meter, first_mb=used)
        if tariff.restarted_cycle != cycle:
            meter = meter.doubting(Doubt.BOUNDARY_NOT_SEEN, at, over=used)
    return Step(meter, used, first_mb=used)


def _second(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Believe a counter that could not be believed at first sight if a second reading agrees. It is not usage."""
    suspect = meter.suspect
    step = _first(reading, tariff)
    if suspect is None or not step.meter.is_unread:
        return step
    growth = reading.raw_mb - suspect.raw_mb
    if not 0 <= growth <= possible(reading.measured_at - suspect.since, tariff):
        return step
    base = step.meter.believing(reading, restart=Restart.SEEN)
    if tariff.is_lifetime:
        return Step(base)
    missed = changed(base, restart=Restart.MISSED)
    return Step(missed.doubting(Doubt.NOT_RESTARTED, reading.measured_at, under=reading.raw_mb))


def _is_news(meter: Meter, reading: Reading) -> bool:
    if not reading.is_evidence:
        return False
    if reading.measured_at == meter.measured_at:
        # Some carriers stamp all readings of a day, or of an hour, with the same time.
        return reading.raw_mb > meter.raw_mb
    return reading.measured_at > meter.measured_at


def _of_other_counter(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Count the growth of another carrier's counter from now on. Its first reading is not usage."""
    cycle, added = tariff.calendar.cycle_of(reading.measured_at), ZERO
    moved = meter
    if cycle > meter.cycle_start:
        moved = _rolled_over(meter, cycle, Restart.SEEN, tariff.calendar)
        if tariff.calendar.start_of(cycle) <= meter.measured_at:
            # The other carrier's cycle has begun before the card moved there, so the same usage is in it.
            added = meter.used_mb
            moved = changed(
                moved,
                used_mb=added,
                uncertainty=meter.uncertainty,
                last_month_total_mb=ZERO,
                last_over_mb=ZERO,
                last_under_mb=ZERO,
            )
    if meter.is_provisional and moved.used_mb:
        # Later readings cannot show whether the old counter had restarted.
        over = max(ZERO, moved.used_mb - moved.over_mb)
        moved = moved.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=over)
    moved = moved.believing(
        reading, carrier_id=tariff.carrier_id, restart=Restart.SEEN, first_mb=ZERO, before=None
    )
    return Step(moved, added, -added, cause=Cause.OTHER_COUNTER)


def _over_boundary(rolled: Meter, meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Take the first reading in a cycle that can be believed.

    `meter` is the meter before the reading, and `rolled` is the same meter in the new cycle.
    """
    if tariff.is_lifetime:
        return _split(_in_cycle(rolled, reading, tariff), meter, reading, tariff)
    if has_restarted_unseen(rolled, reading, tariff):
        return restarted_unseen(rolled, reading, tariff)
    step = _in_cycle(rolled, reading, tariff)
    grown = step.meter
    if reading.measured_at - meter.measured_at <= GAP or grown.is_suspect or grown.restart is Restart.SEEN:
        return step
    # If it has not restarted, the card may have used everything before the boundary.
    over = max(ZERO, grown.used_mb - grown.over_mb)
    under = max(ZERO, grown.raw_mb - grown.high_mb)
    doubtful = grown.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=over, under=under)
    return changed(step, meter=doubtful)


def _rolled_over(meter: Meter, cycle: date, restart: Restart, calendar: BillingCalendar) -> Meter:
    # Without a reading in the previous cycle, the usage of that cycle is unknown and counts as 0.
    # After a change of the calendar, two cycles may begin in the same month, or a cycle may last two months.
    is_next = cycles_between(meter.cycle_start, cycle) <= 1 or calendar.end_of(
        meter.cycle_start
    ) == calendar.start_of(cycle)
    before = meter.before if is_next else None
    if before and (before.raw_mb == 0 or (before.raw_mb < meter.raw_mb and not is_rise_doubted(meter))):
        before = None
    elif before:
        # An odd reading just before the boundary may still be taken back.
        before = Before(before.raw_mb, ZERO, before.used_mb, restart, before.at)
    return changed(
        meter,
        cycle_start=cycle,
        used_mb=ZERO,
        last_month_total_mb=meter.used_mb if is_next else ZERO,
        last_over_mb=meter.used_mb - meter.low_mb if is_next else ZERO,
        last_under_mb=meter.under_mb + _unseen_restart(meter) if is_next else ZERO,
        last_start=meter.cycle_start if is_next and meter.cycle_start != shifted(cycle, -1) else None,
        restart=restart,
        first_mb=ZERO,
        before=before,
        uncertainty=None,
    )


def _unseen_restart(meter: Meter) -> Decimal:
    """Return what a counter that was not read for long enough has counted in the cycle if it had restarted."""
    if meter.restart is not Restart.AWAITED or meter.doubt is Doubt.BOUNDARY_NOT_SEEN:
        return ZERO
    return max(ZERO, meter.raw_mb - meter.used_mb)


def _split(step: Step, before: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Split growth over the boundary by time, because no reading shows a lifetime counter at the boundary."""
    meter, gap, grown = step.meter, reading.measured_at - before.measured_at, step.delta_mb
    boundary = tariff.calendar.start_of(meter.cycle_start)
    if before.suspect and before.suspect.since >= boundary:
        # What was held was not held at the boundary.
        before = changed(before, suspect=None)
    if grown <= 0:
        return changed(step, meter=_with_held(meter, grown, before, reading))
    begin = max(boundary, before.measured_at)
    last_begin = tariff.calendar.start_of(meter.last_cycle)
    used = _share(grown, reading.measured_at - begin, gap)
    last = grown - used
    if before.measured_at < last_begin:
        last = _share(grown, begin - last_begin, gap)
    # A reading with an earlier stamp may have added usage to this cycle already: keep that.
    used_mb = meter.used_mb - grown + used
    split = changed(meter, used_mb=used_mb, last_month_total_mb=meter.last_month_total_mb + last)
    if gap <= GAP:
        split = _with_held(split, used, before, reading)
    else:
        split = changed(
            split,
            last_over_mb=meter.last_over_mb + last,
            last_under_mb=meter.last_under_mb + grown - last,
            # These bounds include all others, because the card may have used everything before the boundary.
            uncertainty=Uncertainty(
                Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over_mb=used, under_mb=grown - used
            ),
        )
    return changed(step, meter=split, delta_mb=used, last_delta_mb=step.last_delta_mb + last)


def _with_held(meter: Meter, added: Decimal, before: Meter, reading: Reading) -> Meter:
    """Return the meter with the bounds of usage that was held at the boundary, so was used before it."""
    if before.suspect is None or not _lasts(before.suspect, before, reading):
        return meter
    amount = held_amount(before, before.suspect)
    meter = changed(meter, last_under_mb=meter.last_under_mb + amount)
    over = max(ZERO, min(amount, added))
    return meter.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=over)


def _lasts(suspect: Suspect, before: Meter, reading: Reading) -> bool:
    """Return whether a reading shows the same rise or drop as the readings that are held."""
    if suspect.raw_mb >= before.raw_mb:
        return is_about(reading.raw_mb, suspect.raw_mb)
    return not is_about(reading.raw_mb, before.raw_mb)


def _share(amount: Decimal, part: timedelta, whole: timedelta) -> Decimal:
    return (amount * Decimal(part / whole)).quantize(Decimal("0.001"))


def _in_cycle(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    if before := _returned_to(meter, reading, tariff):
        return returned(meter, before, reading)
    if reading.raw_mb >= meter.raw_mb:
        return _higher(meter, reading, tariff)
    if is_about(reading.raw_mb, meter.raw_mb):
        return _jitter(meter, reading, tariff)
    if may_restart(meter, tariff):
        return dropped_near_boundary(meter, reading, tariff)
    if may_restart_early(reading, tariff):
        return held(meter, reading)
    return dropped(meter, reading, tariff)


def _returned_to(meter: Meter, reading: Reading, tariff: Tariff) -> Before | None:
    """Return the meter's memory if the counter is back where it was before an odd reading."""
    before = meter.before
    if before is None or not has_returned(meter, before, reading, tariff):
        return None
    # Near the boundary, a counter that rose and is low again may also have restarted.
    is_doubted = is_rise_doubted(meter) or before.at < tariff.calendar.start_of(meter.cycle_start)
    is_plausible = before.raw_mb < SLACK_MB or (before.raw_mb < meter.raw_mb and not is_doubted)
    return None if is_plausible and (meter.may_restart or may_restart_early(reading, tariff)) else before


def _higher(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    growth = reading.raw_mb - meter.raw_mb
    elapsed = reading.measured_at - meter.measured_at
    if growth > SLACK_MB and growth > possible(elapsed, tariff):
        return held(meter, reading)
    meter = lasted(meter, reading, tariff)
    grown = meter.believing(reading, used_mb=meter.used_mb + growth)
    rose_at = _odd_rise(meter, reading, tariff)
    if doubt := back_doubt(meter, reading):
        # The counter may never have been away: then this growth is not usage.
        grown = grown.doubting(doubt, reading.measured_at, over=growth)
    elif rose_at:
        grown = changed(grown, before=meter.remembered(reading.measured_at))
        grown = grown.doubting(Doubt.SUDDEN_RISE, rose_at, over=growth)
    elif growth > SLACK_MB and reading.raw_mb >= meter.raw_mb * 2 and not meter.before:
        # It may be an error, although it is plausible: the next reading shows it.
        grown = changed(grown, before=meter.remembered(reading.measured_at))
    elif is_rise_doubted(meter):
        # In a wrong unit, growth is as wrong as the rise.
        grown = grown.doubting(Doubt.SUDDEN_RISE, reading.measured_at, over=growth)
    return Step(waited(grown, reading, tariff), growth)


def _odd_rise(meter: Meter, reading: Reading, tariff: Tariff) -> datetime | None:
    """Return when the counter rose, if it did so oddly.

    That is by more than was possible then, after readings that showed a drop, or enough for a wrong unit.
    """
    suspect, growth = meter.suspect, reading.raw_mb - meter.raw_mb
    if suspect is None and growth <= SLACK_MB:
        return None
    if suspect and meter.raw_mb < suspect.raw_mb and is_about(reading.raw_mb, suspect.raw_mb):
        return suspect.since
    if suspect and suspect.raw_mb < meter.raw_mb and growth > SLACK_MB:
        return reading.measured_at
    elapsed = reading.measured_at - meter.measured_at
    natural = meter.raw_mb
    if elapsed > GAP:
        # A small counter may well grow a hundredfold in some days.
        natural = max(natural, SLACK_MB) * Decimal(elapsed / GAP)
    # Many counters rise by more than 10 MB from 0, so that alone is not odd.
    is_common = meter.raw_mb == 0 and not tariff.others_rose
    may_be_unit = growth > SLACK_MB and reading.raw_mb > natural * UNIT_FACTOR and not is_common
    return reading.measured_at if may_be_unit else None


def _jitter(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    meter = lasted(meter, reading, tariff)
    since = meter.lower_since or reading.measured_at
    if reading.measured_at - since >= JITTER_LASTS:
        return Step(waited(meter.believing(reading), reading, tariff))
    lower = changed(meter, measured_at=reading.measured_at, lower_since=since, suspect=None)
    return Step(waited(lower, reading, tariff))
