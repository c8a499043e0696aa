"""Turn readings of a carrier's counter into the usage of a billing cycle. Pure functions, without I/O.

Some counters restart in each cycle, others never restart. Carriers restart counters late, answer zeros and
absurd values, and replace SIM cards. So usage is counted from the growth of the counter. What contradicts the
meter is held until a later reading explains it, and what cannot be known is flagged with a lower and an upper
bound. All amounts are megabytes (10^6 bytes).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from carriers.cycles import BillingCalendar, cycles_between, shifted

ZERO = Decimal(0)
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


class Restart(StrEnum):
    """Whether a counter that restarts each cycle has restarted in the meter's cycle.

    A restart is `AWAITED` from the start of a cycle until a reading shows it. It is `UNKNOWN` if the card was
    first read in this cycle.
    """

    AWAITED = "awaited"
    SEEN = "seen"
    UNKNOWN = "unknown"


class Doubt(StrEnum):
    """Why the usage of a cycle is uncertain."""

    NOT_RESTARTED = "not_restarted"
    BOUNDARY_NOT_SEEN = "boundary_not_seen"
    COUNTER_REPLACED = "counter_replaced"
    SUDDEN_RISE = "sudden_rise"


@dataclass(frozen=True)
class Tariff:
    """How to interpret a carrier's counter.

    A lifetime counter never restarts. Any other counter restarts in each cycle. A card can use at most
    `max_mb_per_second`. If a carrier stamps its readings with days only, `stamp_grain` is one day.
    """

    calendar: BillingCalendar
    is_lifetime: bool
    # 320 Mbit/s
    max_mb_per_second: Decimal = Decimal(40)
    stamp_grain: timedelta = timedelta()


@dataclass(frozen=True)
class Reading:
    """The value of a counter, the time at which the carrier measured it, and whether the network is stopped."""

    raw_mb: Decimal
    measured_at: datetime
    is_stopped: bool = False


@dataclass(frozen=True)
class Meter:
    """The state of a card's metering, kept from one reading to the next.

    `used_mb` is the usage of the cycle that begins on `cycle_start`. Growth is measured from the counter value
    `raw_mb`, which was the latest believed value at `measured_at`. The counter has been lower by jitter since
    `lower_since`. While readings contradict the meter, `suspect_raw_mb` is the value of the latest of these
    readings, and `suspect_since` the time of the first.

    After an odd reading was believed, the `before_*` fields keep the meter as it was before, for as long as the
    counter may return. The true usage is at least `used_mb - over_mb` and at most `used_mb + under_mb`, because of
    `doubt`, which has existed since `doubt_since`. `last_over_mb` and `last_under_mb` say the same of the
    previous cycle.
    """

    cycle_start: date
    used_mb: Decimal
    raw_mb: Decimal
    measured_at: datetime
    last_month_total_mb: Decimal = ZERO
    restart: Restart = Restart.UNKNOWN
    lower_since: datetime | None = None
    suspect_raw_mb: Decimal | None = None
    suspect_since: datetime | None = None
    before_raw_mb: Decimal | None = None
    before_used_mb: Decimal | None = None
    before_last_mb: Decimal | None = None
    before_restart: Restart | None = None
    before_at: datetime | None = None
    doubt: Doubt | None = None
    doubt_since: datetime | None = None
    over_mb: Decimal = ZERO
    under_mb: Decimal = ZERO
    last_over_mb: Decimal = ZERO
    last_under_mb: Decimal = ZERO

    @property
    def is_suspect(self) -> bool:
        """Whether the latest readings contradict the meter."""
        return self.suspect_since is not None

    @property
    def is_certain(self) -> bool:
        """Whether `used_mb` is known exactly, as far as the readings tell."""
        return self.suspect_since is None and self.doubt is None

    @property
    def low_mb(self) -> Decimal:
        """The least that the card can have used in this cycle."""
        return self.used_mb - self.over_mb

    @property
    def high_mb(self) -> Decimal:
        """The most that the card can have used in this cycle."""
        return self.used_mb + self.under_mb


@dataclass(frozen=True)
class Step:
    """The effect of one reading: the meter after it, and the usage that it added or corrected.

    `delta_mb` is the change in the meter's cycle, and `last_delta_mb` the change in the cycle before. Either is
    negative if usage was counted in the wrong cycle, or was none.
    """

    meter: Meter
    delta_mb: Decimal = ZERO
    last_delta_mb: Decimal = ZERO


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
    cycle = tariff.calendar.cycle_of(reading.measured_at)
    if cycle <= meter.cycle_start:
        return _in_cycle(meter, reading, tariff)
    return _in_new_cycle(meter, cycle, reading, tariff)


def is_worth_recording(before: Meter | None, after: Meter) -> bool:
    """Return whether to record a reading: it changed the meter, or was the first reading of its UTC day."""
    if before is None:
        return True
    is_new_day = after.measured_at.date() != before.measured_at.date()
    return (
        is_new_day or replace(after, measured_at=before.measured_at, lower_since=before.lower_since) != before
    )


def _first(reading: Reading, tariff: Tariff) -> Step:
    used = ZERO if tariff.is_lifetime else reading.raw_mb
    cycle = tariff.calendar.cycle_of(reading.measured_at)
    return Step(Meter(cycle, used, reading.raw_mb, reading.measured_at), used)


def _is_news(meter: Meter, reading: Reading) -> bool:
    if reading.is_stopped and reading.raw_mb == 0:
        # Some carriers report 0 for cards whose network is stopped.
        return False
    if reading.measured_at == meter.measured_at:
        # Some carriers stamp all readings of a day, or of an hour, with the same time.
        return reading.raw_mb > meter.raw_mb
    return reading.measured_at > meter.measured_at


def _in_new_cycle(meter: Meter, cycle: date, reading: Reading, tariff: Tariff) -> Step:
    rolled = _rolled_over(meter, cycle)
    if tariff.is_lifetime:
        step = _in_cycle(replace(rolled, restart=Restart.SEEN), reading, tariff)
        return _split(step, meter, reading, tariff)
    return _in_cycle(rolled, reading, tariff)


def _rolled_over(meter: Meter, cycle: date) -> Meter:
    # Without a reading in the previous cycle, the usage of that cycle is unknown and counts as 0.
    is_next = cycles_between(meter.cycle_start, cycle) == 1
    return _without_memory(
        replace(
            meter,
            cycle_start=cycle,
            used_mb=ZERO,
            last_month_total_mb=meter.used_mb if is_next else ZERO,
            last_over_mb=meter.over_mb if is_next else ZERO,
            last_under_mb=meter.under_mb if is_next else ZERO,
            # A counter at 0 shows no restart. Growth is the usage whether or not it restarts.
            restart=Restart.AWAITED if meter.raw_mb else Restart.SEEN,
            doubt=None,
            doubt_since=None,
            over_mb=ZERO,
            under_mb=ZERO,
        )
    )


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
        over_mb=ZERO,
        under_mb=ZERO,
    )
    doubtful = _doubted(split, Doubt.BOUNDARY_NOT_SEEN, reading, over=used, under=step.delta_mb - used)
    return Step(doubtful, used, last)


def _share(amount: Decimal, part: timedelta, whole: timedelta) -> Decimal:
    return (amount * Decimal(part / whole)).quantize(Decimal("0.001"))


def _in_cycle(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    if _has_returned(meter, reading):
        return _returned(meter, reading)
    if reading.raw_mb >= meter.raw_mb:
        return _higher(meter, reading, tariff)
    if reading.raw_mb >= meter.raw_mb * (1 - JITTER_SHARE):
        return _jitter(meter, reading)
    if _may_restart(meter, reading, tariff):
        return _restarted(meter, reading)
    return _dropped(meter, reading, tariff)


def _higher(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    growth = reading.raw_mb - meter.raw_mb
    if growth > _possible_growth(meter, reading, tariff):
        return _held(meter, reading)
    held = meter.suspect_raw_mb
    before = _confirmed_rise(meter)
    is_sudden = reading.measured_at - meter.measured_at <= GAP
    may_be_unit = is_sudden and reading.raw_mb > meter.raw_mb * UNIT_FACTOR > 0 and growth > SLACK_MB
    if may_be_unit:
        before = _remembered(before, reading)
    grown = _believed(replace(before, used_mb=meter.used_mb + growth), reading)
    was_held = held is not None and meter.raw_mb < held and reading.raw_mb >= held * (1 - JITTER_SHARE)
    if may_be_unit or was_held:
        grown = _doubted(grown, Doubt.SUDDEN_RISE, reading, over=growth, under=ZERO)
    if was_held:
        grown = replace(grown, doubt_since=meter.suspect_since)
    return Step(_awaiting(grown, meter, reading, tariff), growth)


def _confirmed_rise(meter: Meter) -> Meter:
    """Believe a rise that only the latest reading showed, because the next one does not contradict it."""
    if meter.doubt is not Doubt.SUDDEN_RISE or meter.doubt_since != meter.measured_at:
        return meter
    return replace(meter, doubt=None, doubt_since=None, over_mb=ZERO, under_mb=ZERO)


def _awaiting(grown: Meter, before: Meter, reading: Reading, tariff: Tariff) -> Meter:
    """Doubt the usage if the counter has not restarted, or may have restarted unseen and passed its old value."""
    if grown.restart is not Restart.AWAITED or grown.doubt:
        return grown
    begin = tariff.calendar.start_of(grown.cycle_start)
    if before.measured_at < begin and reading.measured_at - before.measured_at > GAP:
        doubt = Doubt.BOUNDARY_NOT_SEEN
    elif reading.measured_at - begin > LATE_RESTART:
        doubt = Doubt.NOT_RESTARTED
    else:
        return grown
    return _doubted(grown, doubt, reading, over=ZERO, under=reading.raw_mb - grown.used_mb)


def _jitter(meter: Meter, reading: Reading) -> Step:
    since = meter.lower_since or reading.measured_at
    if reading.measured_at - since >= JITTER_LASTS:
        return Step(_believed(meter, reading))
    lower = replace(_believed(meter, reading), raw_mb=meter.raw_mb, lower_since=since)
    return Step(lower)


def _may_restart(meter: Meter, reading: Reading, tariff: Tariff) -> bool:
    """Return whether a drop is the restart that each cycle of the counter begins with."""
    if tariff.is_lifetime or meter.restart is Restart.SEEN:
        return False
    allowed = UNKNOWN_RESTART if meter.restart is Restart.UNKNOWN else LATE_RESTART
    # The restart may have come at any time between the two readings, so the earlier one decides.
    return meter.measured_at <= tariff.calendar.start_of(meter.cycle_start) + allowed


def _restarted(meter: Meter, reading: Reading) -> Step:
    # The carrier counts everything before the restart in the cycle before.
    moved = meter.used_mb
    if meter.suspect_raw_mb is not None and reading.raw_mb < meter.suspect_raw_mb < meter.raw_mb:
        # The counter has dropped twice: it was replaced, counted on from 0, and then restarted.
        moved += meter.suspect_raw_mb
    after = replace(
        _remembered(meter, reading),
        used_mb=reading.raw_mb,
        last_month_total_mb=meter.last_month_total_mb + moved,
        restart=Restart.SEEN,
        doubt=None,
        doubt_since=None,
        over_mb=ZERO,
        under_mb=ZERO,
    )
    return Step(_believed(after, reading), reading.raw_mb - meter.used_mb, moved)


def _dropped(meter: Meter, reading: Reading, tariff: Tariff) -> Step:
    """Hold a drop in mid-cycle until a later reading explains it."""
    if not _is_confirmed(meter, reading) or _may_restart_early(reading, tariff):
        return _held(meter, reading)
    before = _remembered(meter, reading)
    for wrap in WRAPS_MB:
        if wrap * (1 - JITTER_SHARE) <= meter.raw_mb <= wrap:
            added = wrap - meter.raw_mb + reading.raw_mb
            return Step(_believed(replace(before, used_mb=meter.used_mb + added), reading), added)
    if reading.raw_mb > _possible_growth(meter, reading, tariff):
        return _held(meter, reading)
    # Another SIM card, or another counter, counts from 0.
    added = reading.raw_mb
    swapped = replace(before, used_mb=meter.used_mb + added)
    doubtful = _doubted(swapped, Doubt.COUNTER_REPLACED, reading, over=added, under=ZERO)
    return Step(_believed(doubtful, reading), added)


def _is_confirmed(meter: Meter, reading: Reading) -> bool:
    """Return whether an earlier reading showed the drop too. Zeros are no evidence, because they are errors."""
    since, suspect = meter.suspect_since, meter.suspect_raw_mb
    if since is None or suspect is None or suspect >= meter.raw_mb or reading.raw_mb == 0:
        return False
    return reading.measured_at - since >= CONFIRMED_AFTER and reading.raw_mb >= suspect * (1 - JITTER_SHARE)


def _may_restart_early(reading: Reading, tariff: Tariff) -> bool:
    """Return whether a drop may be an early restart of the next cycle, which then counts from the boundary."""
    if tariff.is_lifetime:
        return False
    soon = tariff.calendar.cycle_of(reading.measured_at + EARLY_RESTART)
    return soon > tariff.calendar.cycle_of(reading.measured_at)


def _has_returned(meter: Meter, reading: Reading) -> bool:
    """Return whether the counter jumped back to about its value before an odd reading."""
    before, at = meter.before_raw_mb, meter.before_at
    if before is None or at is None or reading.measured_at - at > RETURNS_WITHIN:
        return False
    least = before * (1 - JITTER_SHARE)
    if meter.raw_mb > before * UNIT_FACTOR:
        return least <= reading.raw_mb <= before + SLACK_MB + meter.raw_mb / UNIT_FACTOR
    return meter.raw_mb * 2 <= before and least <= reading.raw_mb <= before * (1 + JITTER_SHARE)


def _returned(meter: Meter, reading: Reading) -> Step:
    """Undo a drop, because the counter was never away. Only what lies beyond its old value is usage."""
    raw, used, last = meter.before_raw_mb, meter.before_used_mb, meter.before_last_mb
    assert raw is not None and used is not None and last is not None  # noqa: S101, PT018 (set together)
    used += max(ZERO, reading.raw_mb - raw)
    restored = replace(
        meter,
        used_mb=used,
        last_month_total_mb=last,
        restart=meter.before_restart or Restart.SEEN,
        doubt=None,
        doubt_since=None,
        over_mb=ZERO,
        under_mb=ZERO,
    )
    believed = replace(_believed(_without_memory(restored), reading), raw_mb=max(raw, reading.raw_mb))
    return Step(believed, used - meter.used_mb, last - meter.last_month_total_mb)


def _possible_growth(meter: Meter, reading: Reading, tariff: Tariff) -> Decimal:
    """Return the most that a card can have used since the latest believed reading."""
    elapsed = reading.measured_at - meter.measured_at + tariff.stamp_grain
    return tariff.max_mb_per_second * Decimal(elapsed.total_seconds()) + SLACK_MB


def _held(meter: Meter, reading: Reading) -> Step:
    """Keep the meter, and note that the reading contradicts it."""
    since = meter.suspect_since or reading.measured_at
    return Step(replace(meter, suspect_raw_mb=reading.raw_mb, suspect_since=since))


def _believed(meter: Meter, reading: Reading) -> Meter:
    return replace(
        meter,
        raw_mb=reading.raw_mb,
        measured_at=reading.measured_at,
        lower_since=None,
        suspect_raw_mb=None,
        suspect_since=None,
    )


def _doubted(meter: Meter, doubt: Doubt, reading: Reading, *, over: Decimal, under: Decimal) -> Meter:
    return replace(
        meter,
        doubt=doubt,
        doubt_since=meter.doubt_since or reading.measured_at,
        over_mb=meter.over_mb + over,
        under_mb=meter.under_mb + under,
    )


def _remembered(meter: Meter, reading: Reading) -> Meter:
    """Keep what a drop changes, in case the counter returns."""
    return replace(
        meter,
        before_raw_mb=meter.raw_mb,
        before_used_mb=meter.used_mb,
        before_last_mb=meter.last_month_total_mb,
        before_restart=meter.restart,
        before_at=meter.suspect_since or reading.measured_at,
    )


def _without_memory(meter: Meter) -> Meter:
    return replace(
        meter,
        before_raw_mb=None,
        before_used_mb=None,
        before_last_mb=None,
        before_restart=None,
        before_at=None,
    )
