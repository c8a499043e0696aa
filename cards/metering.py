"""Turn readings of a carrier's counter into the usage of a billing cycle. Pure functions, without I/O.

Some counters restart in each cycle, others never restart. Carriers restart counters late, answer zeros and
absurd values, and replace SIM cards. So usage is counted from the growth of the counter. What contradicts the
meter is held until a later reading explains it, and what cannot be known is flagged with a lower and an upper
bound. All amounts are megabytes (10^6 bytes).
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from cards.meter import ZERO, Cause, Doubt, Meter, Reading, Restart, Step, Suspect, Tariff, Uncertainty
from carriers.cycles import cycles_between, shifted

# A drop of at most 1 % is rounding or a correction by the carrier. It is not usage, and not a restart.
JITTER_SHARE = Decimal("0.01")
# After a lower counter has lasted this long, growth is measured from it.
JITTER_LASTS = timedelta(hours=48)
# Carriers restart their counters up to 14 h before and up to 100 h after the start of a billing cycle.
EARLY_RESTART = timedelta(hours=14)
LATE_RESTART = timedelta(hours=100)
# The same for a card whose counter was not seen before the boundary, because its drop may have other causes.
UNKNOWN_RESTART = timedelta(hours=48)
# A drop in mid-cycle is believed if a reading still shows it after this time.
CONFIRMED_AFTER = timedelta(minutes=10)
# A counter may return to its old value within this time. Then the reading in between was a fault.
RETURNS_WITHIN = timedelta(hours=100)
# A rise by this factor may be a wrong unit.
UNIT_FACTOR = 100
# A longer gap between two readings around a boundary leaves open how much was used before it.
GAP = timedelta(hours=24)
# Rounding and the time that a carrier takes to count may add this much to the fastest possible growth.
SLACK_MB = Decimal(10)
# A counter of 32 bits restarts after 2^32 bytes, or after 2^32 kilobytes of 1000 or 1024 bytes.
WRAPS_MB = tuple(Decimal(2**32 * unit) / 10**6 for unit in (1, 1000, 1024))


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
    if meter.carrier_id is None:
        meter = replace(meter, carrier_id=tariff.carrier_id)
    elif meter.carrier_id != tariff.carrier_id:
        return _of_other_counter(meter, reading, tariff)
    cycle = tariff.calendar.cycle_of(reading.measured_at)
    if tariff.calendar.follows(cycle, meter.cycle_start):
        return _in_new_cycle(meter, cycle, reading, tariff)
    return _in_cycle(meter, reading, tariff)


def is_worth_recording(before: Meter | None, after: Meter) -> bool:
    """Return whether to record a reading: it changed the meter, or was the first reading of its UTC day."""
    if before is None or after.measured_at.date() != before.measured_at.date():
        return True
    return _figures(after) != _figures(before)


def _figures(meter: Meter) -> tuple[object, ...]:
    uncertain = (meter.suspect, meter.uncertainty, meter.last_over_mb, meter.last_under_mb)
    return (
        meter.raw_mb, meter.used_mb, meter.cycle_start, meter.last_month_total_mb, meter.restart, *uncertain,
    )  # fmt: skip


def _first(reading: Reading, tariff: Tariff) -> Step:
    calendar = tariff.calendar
    cycle = calendar.cycle_of(reading.measured_at)
    used = ZERO if tariff.is_lifetime else reading.raw_mb
    meter = Meter(
        cycle, used, reading.raw_mb, reading.measured_at, restart=Restart.SEEN, carrier_id=tariff.carrier_id
    )
    may_restart_later = reading.measured_at <= calendar.start_of(cycle) + UNKNOWN_RESTART
    if used and may_restart_later and not tariff.others_restarted:
        meter = replace(meter, restart=Restart.UNKNOWN)
        meter = meter.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=used)
    return Step(meter, used, first_mb=used)


def _is_news(meter: Meter, reading: Reading) -> bool:
    if reading.is_stopped and reading.raw_mb == 0:
        # Some carriers report 0 for cards whose network is stopped.
        return False
    if reading.measured_at == meter.measured_at:
        # Some carriers stamp all readings of a day, or of an hour, with the same time.
        return reading.raw_mb > meter.raw_mb
    return reading.measured_at > meter.measured_at


def _of_other_counter(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Count the growth of another carrier's counter from now on. Its first reading is not usage."""
    calendar = tariff.calendar
    cycle = calendar.cycle_of(reading.measured_at)
    if calendar.follows(cycle, meter.cycle_start) and calendar.start_of(cycle) > meter.measured_at:
        meter = _rolled_over(meter, cycle)
    moved = meter.believing(reading, carrier_id=tariff.carrier_id, restart=Restart.SEEN, before=None)
    return Step(moved, cause=Cause.OTHER_COUNTER)


def _in_new_cycle(meter: Meter, cycle: date, reading: Reading, tariff: Tariff) -> Step:
    rolled = _rolled_over(meter, cycle)
    if tariff.is_lifetime:
        # What is still held was used before the boundary.
        held = _held_amount(meter, meter.suspect) if meter.suspect else ZERO
        rolled = replace(rolled, restart=Restart.SEEN, last_under_mb=rolled.last_under_mb + held)
        return _split(_in_cycle(rolled, reading, tariff), meter, reading, tariff)
    if _has_restarted_unseen(rolled, reading, tariff):
        return _restarted(rolled, reading)
    return _in_cycle(rolled, reading, tariff)


def _rolled_over(meter: Meter, cycle: date) -> Meter:
    # Without a reading in the previous cycle, the usage of that cycle is unknown and counts as 0.
    # After a change of the billing day, two cycles may begin in the same month.
    is_next = cycles_between(meter.cycle_start, cycle) <= 1
    return replace(
        meter,
        cycle_start=cycle,
        used_mb=ZERO,
        last_month_total_mb=meter.used_mb if is_next else ZERO,
        last_over_mb=meter.over_mb if is_next else ZERO,
        last_under_mb=meter.under_mb if is_next else ZERO,
        # A counter at 0 shows no restart. Growth is the usage whether or not it restarts.
        restart=Restart.AWAITED if meter.raw_mb else Restart.SEEN,
        before=None,
        uncertainty=None,
    )


def _has_restarted_unseen(rolled: Meter, reading: Reading, tariff: Tariff) -> bool:
    """Return whether a counter that was not read around the boundary has restarted, as other cards' have."""
    is_gap = reading.measured_at - rolled.measured_at > GAP
    if not (is_gap and tariff.others_restarted):
        return False
    elapsed = reading.measured_at - tariff.calendar.start_of(rolled.cycle_start)
    return reading.raw_mb <= _possible(elapsed, tariff)


def _split(step: Step, before: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Split growth over a long gap by time, because no reading shows a lifetime counter at the boundary."""
    meter, gap = step.meter, reading.measured_at - before.measured_at
    if gap <= GAP or step.delta_mb <= 0:
        return step
    begin = tariff.calendar.start_of(meter.cycle_start)
    last_begin = tariff.calendar.start_of(shifted(meter.cycle_start, -1))
    used = _share(step.delta_mb, reading.measured_at - begin, gap)
    last = _share(step.delta_mb, begin - max(last_begin, before.measured_at), gap)
    split = replace(
        meter,
        used_mb=used,
        last_month_total_mb=meter.last_month_total_mb + last,
        last_over_mb=meter.last_over_mb + last,
        last_under_mb=meter.last_under_mb + step.delta_mb - last,
        # These bounds include all others, because the card may have used everything before the boundary.
        uncertainty=Uncertainty(
            Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over_mb=used, under_mb=step.delta_mb - used
        ),
    )
    return Step(split, used, last)


def _share(amount: Decimal, part: timedelta, whole: timedelta) -> Decimal:
    return (amount * Decimal(part / whole)).quantize(Decimal("0.001"))


def _in_cycle(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    if meter.before:
        if reading.measured_at - meter.before.at > RETURNS_WITHIN:
            meter = replace(meter, before=None)
        elif _has_returned(meter, reading):
            return _returned(meter, reading)
    if reading.raw_mb >= meter.raw_mb:
        return _higher(meter, reading, tariff)
    if reading.raw_mb >= meter.raw_mb * (1 - JITTER_SHARE):
        return _jitter(meter, reading)
    if _may_restart(meter, tariff):
        return _restarted(meter, reading)
    return _dropped(meter, reading, tariff)


def _higher(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    growth = reading.raw_mb - meter.raw_mb
    elapsed = reading.measured_at - meter.measured_at
    if growth > SLACK_MB and growth > _possible(elapsed, tariff):
        return _held(meter, reading)
    held = meter.suspect
    may_be_unit = growth > SLACK_MB and elapsed <= GAP and reading.raw_mb > meter.raw_mb * UNIT_FACTOR > 0
    grown = meter.believing(
        reading,
        used_mb=meter.used_mb + growth,
        uncertainty=meter.uncertainty and _confirmed(meter, meter.uncertainty, reading, tariff),
        before=meter.remembering(reading).before if may_be_unit else meter.before,
    )
    if held and meter.raw_mb < held.raw_mb and reading.raw_mb >= held.raw_mb * (1 - JITTER_SHARE):
        grown = grown.doubting(Doubt.SUDDEN_RISE, held.since, over=growth)
    elif may_be_unit:
        grown = grown.doubting(Doubt.SUDDEN_RISE, reading.measured_at, over=growth)
    if grown.restart is Restart.AWAITED and not grown.uncertainty:
        grown = _awaiting(grown, meter, reading, tariff)
    return Step(grown, growth)


def _confirmed(
    meter: Meter, uncertainty: Uncertainty, reading: Reading, tariff: Tariff
) -> Uncertainty | None:
    """Return what stays uncertain after a reading that does not contradict the meter."""
    if uncertainty.doubt is Doubt.SUDDEN_RISE and uncertainty.since == meter.measured_at:
        # Only the latest reading showed the rise.
        return None
    begin = tariff.calendar.start_of(meter.cycle_start)
    if meter.restart is Restart.UNKNOWN and reading.measured_at > begin + UNKNOWN_RESTART:
        # The counter would have restarted by now, so it had before the card was first read.
        return None
    return uncertainty


def _awaiting(grown: Meter, before: Meter, reading: Reading, tariff: Tariff) -> Meter:
    """Doubt the usage if the counter has not restarted, or may have restarted unseen and passed its old value."""
    begin = tariff.calendar.start_of(grown.cycle_start)
    under = reading.raw_mb - grown.used_mb
    if before.measured_at < begin and reading.measured_at - before.measured_at > GAP:
        # If it has not restarted, the card may have used everything before the boundary.
        return grown.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=grown.used_mb, under=under)
    if reading.measured_at - begin > LATE_RESTART:
        return grown.doubting(Doubt.NOT_RESTARTED, reading.measured_at, under=under)
    return grown


def _jitter(meter: Meter, reading: Reading) -> Step:
    since = meter.lower_since or reading.measured_at
    if reading.measured_at - since >= JITTER_LASTS:
        return Step(meter.believing(reading))
    lower = replace(meter, measured_at=reading.measured_at, lower_since=since, suspect=None)
    return Step(lower)


def _may_restart(meter: Meter, tariff: Tariff) -> bool:
    """Return whether a drop is the restart that each cycle of the counter begins with."""
    if tariff.is_lifetime or meter.restart is Restart.SEEN:
        return False
    allowed = UNKNOWN_RESTART if meter.restart is Restart.UNKNOWN else LATE_RESTART
    # The restart may have come at any time between the two readings, so the earlier one decides.
    return meter.measured_at <= tariff.calendar.start_of(meter.cycle_start) + allowed


def _restarted(meter: Meter, reading: Reading) -> Step:
    # The carrier counts everything before the restart in the cycle before.
    moved = meter.used_mb
    first = meter.over_mb if meter.restart is Restart.UNKNOWN else ZERO
    over, under = _bounds_of_readings(meter)
    if meter.suspect and reading.raw_mb < meter.suspect.raw_mb < meter.raw_mb:
        # The counter has dropped twice: it was replaced, counted on from 0, and then restarted.
        over += meter.suspect.raw_mb
        under += _possible_overflow(meter)
        moved += meter.suspect.raw_mb
    after = meter.believing(
        reading,
        used_mb=reading.raw_mb,
        last_month_total_mb=meter.last_month_total_mb + moved,
        last_over_mb=meter.last_over_mb + over,
        last_under_mb=meter.last_under_mb + under,
        restart=Restart.SEEN,
        before=meter.remembering(reading).before,
        uncertainty=None,
    )
    return Step(after, reading.raw_mb - meter.used_mb, moved, first_mb=-first, cause=Cause.RESTARTED)


def _dropped(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Hold a drop in mid-cycle until a later reading explains it."""
    if not _is_confirmed(meter, reading) or _may_restart_early(reading, tariff):
        return _held(meter, reading)
    before = meter.remembering(reading).before
    for wrap in WRAPS_MB:
        if wrap * (1 - JITTER_SHARE) <= meter.raw_mb <= wrap:
            added = wrap - meter.raw_mb + reading.raw_mb
            return Step(meter.believing(reading, used_mb=meter.used_mb + added, before=before), added)
    if reading.raw_mb > _possible(reading.measured_at - meter.measured_at, tariff):
        return _held(meter, reading)
    # Another SIM card, or another counter, counts from 0. Or the counter has overflowed between two readings.
    added = reading.raw_mb
    swapped = meter.believing(reading, used_mb=meter.used_mb + added, before=before)
    doubtful = swapped.doubting(
        Doubt.COUNTER_REPLACED, reading.measured_at, over=added, under=_possible_overflow(meter)
    )
    return Step(doubtful, added)


def _bounds_of_readings(meter: Meter) -> tuple[Decimal, Decimal]:
    """Return by how much odd readings may have made the usage too high and too low.

    A restart answers all other doubts.
    """
    if meter.doubt in {Doubt.SUDDEN_RISE, Doubt.COUNTER_REPLACED}:
        return meter.over_mb, meter.under_mb
    return ZERO, ZERO


def _held_amount(meter: Meter, suspect: Suspect) -> Decimal:
    """Return the most that the card has used if the readings that contradict its meter are right."""
    if suspect.raw_mb >= meter.raw_mb:
        return suspect.raw_mb - meter.raw_mb
    return suspect.raw_mb + _possible_overflow(meter)


def _possible_overflow(meter: Meter) -> Decimal:
    """Return what a counter that dropped may have counted before it overflowed unseen."""
    return next((wrap - meter.raw_mb for wrap in WRAPS_MB if wrap / 2 <= meter.raw_mb <= wrap), ZERO)


def _is_confirmed(meter: Meter, reading: Reading) -> bool:
    """Return whether an earlier reading showed the drop too. Zeros are no evidence, because they are errors."""
    suspect = meter.suspect
    if suspect is None or suspect.raw_mb >= meter.raw_mb or reading.raw_mb == 0:
        return False
    lasts = reading.measured_at - suspect.since >= CONFIRMED_AFTER
    return lasts and reading.raw_mb >= suspect.raw_mb * (1 - JITTER_SHARE)


def _may_restart_early(reading: Reading, tariff: Tariff) -> bool:
    """Return whether a drop may be an early restart of the next cycle, which then counts from the boundary."""
    if tariff.is_lifetime:
        return False
    calendar = tariff.calendar
    soon = calendar.cycle_of(reading.measured_at + EARLY_RESTART)
    return calendar.follows(soon, calendar.cycle_of(reading.measured_at))


def _has_returned(meter: Meter, reading: Reading) -> bool:
    """Return whether the counter jumped back to about its value before an odd reading."""
    if meter.before is None:
        return False
    raw = meter.before.raw_mb
    least = raw * (1 - JITTER_SHARE)
    if meter.raw_mb > raw * UNIT_FACTOR:
        return least <= reading.raw_mb <= raw + SLACK_MB + meter.raw_mb / UNIT_FACTOR
    return meter.raw_mb * 2 <= raw and least <= reading.raw_mb <= raw * (1 + JITTER_SHARE)


def _returned(meter: Meter, reading: Reading) -> Step:
    """Undo a drop, because the counter was never away. Only what lies beyond its old value is usage."""
    before = meter.before
    assert before  # noqa: S101 (`_has_returned` has checked it)
    used = before.used_mb + max(ZERO, reading.raw_mb - before.raw_mb)
    restored = meter.believing(
        reading,
        used_mb=used,
        last_month_total_mb=before.last_mb,
        last_over_mb=min(meter.last_over_mb, before.last_mb),
        restart=before.restart,
        before=None,
        uncertainty=None,
    )
    restored = replace(restored, raw_mb=max(before.raw_mb, reading.raw_mb))
    added, last = used - meter.used_mb, before.last_mb - meter.last_month_total_mb
    if restored.restart is Restart.UNKNOWN:
        # The first reading is usage again, and is as uncertain as before.
        doubtful = restored.doubting(Doubt.BOUNDARY_NOT_SEEN, reading.measured_at, over=used)
        return Step(doubtful, added, last, first_mb=added, cause=Cause.RETURNED)
    if meter.uncertainty and meter.uncertainty.since < before.at:
        # The usage was uncertain before the drop, too.
        restored = replace(restored, uncertainty=meter.uncertainty)
    if SLACK_MB < meter.raw_mb < before.raw_mb:
        # Or the counter was replaced, and its growth has reached the old value by chance.
        grown = meter.used_mb + reading.raw_mb - meter.raw_mb
        under = max(ZERO, grown - used)
        restored = replace(restored, uncertainty=meter.uncertainty).doubting(
            Doubt.COUNTER_REPLACED, reading.measured_at, under=under
        )
    return Step(restored, added, last, cause=Cause.RETURNED)


def _possible(elapsed: timedelta, tariff: Tariff) -> Decimal:
    """Return the most that a card can have used in this time."""
    seconds = Decimal((elapsed + tariff.stamp_grain).total_seconds())
    return tariff.max_mb_per_second * seconds + SLACK_MB


def _held(meter: Meter, reading: Reading) -> Step:
    """Keep the meter, and note that the reading contradicts it."""
    since = meter.suspect.since if meter.suspect else reading.measured_at
    return Step(replace(meter, suspect=Suspect(reading.raw_mb, since)))
