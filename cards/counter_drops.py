"""The rules for counters that drop in mid-cycle, and for those that come back. Pure functions."""

from decimal import Decimal

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
)
from cards.meter_limits import (
    CONFIRMED_AFTER,
    JITTER_SHARE,
    MONTH,
    NEGLIGIBLE_MB,
    RETURN_SHARE,
    RETURNS_WITHIN,
    RISE_LASTS,
    SLACK_MB,
    UNIT_FACTOR,
    WRAPS_MB,
    is_about,
    possible,
)
from common.frozen import changed


def held(meter: Meter, reading: Reading) -> Step:
    """Keep the meter, and note that the reading contradicts it."""
    since, suspect = reading.measured_at, meter.suspect
    is_same_side = suspect and (suspect.raw_mb < meter.raw_mb) == (reading.raw_mb < meter.raw_mb)
    # Zeros are no evidence, so a drop counts only from the first reading above 0.
    if suspect and is_same_side and (suspect.raw_mb or not reading.raw_mb):
        since = suspect.since
    return Step(changed(meter, suspect=Suspect(reading.raw_mb, since)))


def held_amount(meter: Meter, suspect: Suspect) -> Decimal:
    """Return the most that the card has used if the readings that contradict its meter are right."""
    if suspect.raw_mb >= meter.raw_mb:
        return suspect.raw_mb - meter.raw_mb
    return suspect.raw_mb + _possible_overflow(meter)


def confirmed(meter: Meter, reading: Reading) -> bool:
    """Return whether an earlier reading showed the drop too. Zeros are no evidence, because they are errors."""
    suspect = meter.suspect
    if suspect is None or suspect.raw_mb >= meter.raw_mb or 0 in {suspect.raw_mb, reading.raw_mb}:
        return False
    lasts = reading.measured_at - suspect.since >= CONFIRMED_AFTER
    return lasts and is_about(reading.raw_mb, suspect.raw_mb)


def dropped(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Count on from 0 if the counter was replaced or has overflowed. Hold the drop until a reading confirms it."""
    if meter.suspect is None or not confirmed(meter, reading):
        return held(meter, reading)
    before = meter.remembered(meter.suspect.since)
    for wrap in WRAPS_MB:
        if is_about(meter.raw_mb, wrap) and meter.raw_mb <= wrap:
            added = wrap - meter.raw_mb + reading.raw_mb
            return Step(meter.believing(reading, used_mb=meter.used_mb + added, before=before), added)
    if reading.raw_mb > possible(reading.measured_at - meter.measured_at, tariff):
        return held(meter, reading)
    # Another SIM card, or another counter, counts from 0. Or the counter has overflowed between two readings.
    added = reading.raw_mb
    over = added
    if meter.restart is Restart.LIKELY or (meter.before and _is_after_restart(meter, meter.before)):
        # This may be the only restart: then what the counter showed before was wrong.
        over += meter.used_mb
    if meter.before and meter.before.raw_mb < meter.raw_mb:
        # The counter may have risen by mistake.
        over += max(ZERO, meter.used_mb - meter.before.used_mb)
    if reading.raw_mb * 2 >= meter.raw_mb:
        # The carrier may have corrected the counter: then the card has used less than the meter says.
        over += meter.raw_mb - reading.raw_mb
    swapped = meter.believing(reading, used_mb=meter.used_mb + added, before=before)
    under = _possible_overflow(meter)
    return Step(swapped.doubting(Doubt.COUNTER_REPLACED, reading.measured_at, over=over, under=under), added)


def has_returned(meter: Meter, before: Before, reading: Reading, tariff: Tariff) -> bool:
    """Return whether the counter jumped back to about its value before an odd reading."""
    is_soon = reading.measured_at - before.at <= RETURNS_WITHIN or is_rise_doubted(meter)
    if not is_soon or not is_about(reading.raw_mb, before.raw_mb):
        return False
    if _is_after_restart(meter, before):
        # If other cards' counters have restarted, this one has reached its old value by usage. Otherwise it may be
        # back, or has been used as much as before. The bounds say so.
        is_near = before.raw_mb >= SLACK_MB and reading.raw_mb <= before.raw_mb * (1 + RETURN_SHARE)
        is_jump = meter.raw_mb * 2 <= before.raw_mb
        return is_near and is_jump and tariff.restarted_cycle != meter.cycle_start
    if meter.raw_mb > before.raw_mb:
        most = before.raw_mb + SLACK_MB + meter.raw_mb / UNIT_FACTOR
        return reading.raw_mb * 2 <= meter.raw_mb and reading.raw_mb <= most
    return meter.raw_mb * 2 <= before.raw_mb and reading.raw_mb <= before.raw_mb * (1 + JITTER_SHARE)


def back_doubt(meter: Meter, reading: Reading) -> Doubt | None:
    """Return why growth is doubted that brings the counter back to its value before it dropped."""
    before = meter.before
    if before is None or meter.raw_mb * 2 > before.raw_mb or not is_about(reading.raw_mb, before.raw_mb):
        return None
    if reading.raw_mb > before.raw_mb * 2 or reading.raw_mb < NEGLIGIBLE_MB:
        return None
    if not _is_after_restart(meter, before):
        return Doubt.COUNTER_REPLACED
    return Doubt.BOUNDARY_NOT_SEEN if reading.raw_mb <= before.raw_mb * (1 + RETURN_SHARE) else None


def returned(meter: Meter, before: Before, reading: Reading) -> Step:
    """Undo an odd reading, because the counter was never away. Only what lies beyond its old value is usage."""
    used = before.used_mb + max(ZERO, reading.raw_mb - before.raw_mb)
    last = before.last_mb - meter.last_month_total_mb
    # A rise just before the boundary has raised the total of the previous cycle.
    last_over = max(ZERO, meter.last_over_mb + last) if meter.raw_mb > before.raw_mb else meter.last_over_mb
    restored = meter.believing(
        reading,
        used_mb=used,
        last_month_total_mb=before.last_mb,
        last_over_mb=min(last_over, before.last_mb),
        restart=before.restart,
        first_mb=before.first_mb,
        before=None,
        uncertainty=None,
    )
    restored = changed(restored, raw_mb=max(before.raw_mb, reading.raw_mb))
    return Step(
        _doubted(restored, meter, before, reading),
        used - meter.used_mb,
        last,
        first_mb=before.first_mb - meter.first_mb,
        cause=Cause.RETURNED,
    )


def _doubted(restored: Meter, meter: Meter, before: Before, reading: Reading) -> Meter:
    """Return the restored meter with what is uncertain about it."""
    at = reading.measured_at
    if _is_after_restart(meter, before):
        # The restart had moved the bounds to the cycle before. They may belong to either cycle.
        over = before.first_mb + min(meter.last_over_mb, restored.used_mb)
        # The counter may as well have restarted, and have reached its old value by usage.
        under = meter.last_under_mb + max(ZERO, restored.raw_mb - restored.used_mb)
        return restored.doubting(Doubt.BOUNDARY_NOT_SEEN, at, over=over, under=under)
    if meter.raw_mb > before.raw_mb:
        # What was uncertain before the rise still is.
        return changed(restored, uncertainty=meter.uncertainty).relieved(over=meter.used_mb - before.used_mb)
    if meter.uncertainty and meter.uncertainty.since < before.at:
        # The usage was uncertain before the odd reading, too.
        restored = changed(restored, uncertainty=meter.uncertainty)
    if SLACK_MB < meter.raw_mb < before.raw_mb:
        # The counter may as well have been replaced, and have reached its old value by usage.
        grown = meter.used_mb + reading.raw_mb - meter.raw_mb
        restored = changed(restored, uncertainty=meter.uncertainty)
        under = max(ZERO, grown - restored.used_mb)
        return restored.doubting(Doubt.COUNTER_REPLACED, at, under=under)
    return restored


def lasted(meter: Meter, reading: Reading, tariff: Tariff) -> Meter:
    """Return the meter after a reading that does not contradict an odd reading before it.

    In time, a rise is believed, unless most cards of the carrier rose together.
    """
    before = meter.before
    if before is None:
        return meter
    elapsed = reading.measured_at - before.at
    uncertain = meter.uncertainty
    if before.raw_mb < meter.raw_mb and not (is_rise_doubted(meter) or meter.is_restart_inferred):
        # The rise was plausible, and one reading that goes on from it is enough.
        return changed(meter, before=None)
    # It was possible when it came, and is the only doubt.
    if uncertain and is_rise_doubted(meter) and uncertain.since == before.at:
        if tariff.others_rose or elapsed <= RISE_LASTS:
            return meter
        meter = changed(meter, uncertainty=None)
    is_replaced = before.raw_mb > meter.raw_mb and not _is_after_restart(meter, before)
    return changed(meter, before=None) if elapsed > (MONTH if is_replaced else RETURNS_WITHIN) else meter


def is_rise_doubted(meter: Meter) -> bool:
    """Return whether the odd reading that the meter remembers was a rise, which is still in doubt."""
    return bool(meter.before and meter.before.raw_mb < meter.raw_mb and meter.doubt is Doubt.SUDDEN_RISE)


def _is_after_restart(meter: Meter, before: Before) -> bool:
    """Return whether the odd reading that the meter remembers was the restart."""
    may_have_restarted = before.restart in {Restart.AWAITED, Restart.UNKNOWN}
    return meter.restart is Restart.SEEN and may_have_restarted and before.raw_mb > meter.raw_mb


def _possible_overflow(meter: Meter) -> Decimal:
    """Return what a counter that dropped may have counted before it overflowed unseen."""
    return next((wrap - meter.raw_mb for wrap in WRAPS_MB if wrap / 2 <= meter.raw_mb <= wrap), ZERO)
