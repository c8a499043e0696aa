"""Faults of carriers' counters. They change what `/v1/usage` says about a card, but not the true state of the card.

Each kind is a function that returns a faulty reading. None of them has side effects.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial

from lab.simulator.fleet import STEP, SimulatedCarrier, counter_mb, cycle_of, hash_of

ABSURD_MB = Decimal(999_999_999)
UNIT_FACTOR = 1000
WRAP_MB = Decimal(2**32) / 10**6
# This is the shortest time before the start of a cycle.
_INSTANT = timedelta.resolution


class CounterFaultKind(StrEnum):
    """What a fault does to a card's counter. `COUNTER_KINDS` implements each kind."""

    ZERO = "zero"
    ABSURD = "absurd"
    UNIT = "unit"
    WRAP = "wrap"
    SWAP = "swap"
    LATE_RESTART = "late_restart"
    LAG = "lag"
    FROZEN = "frozen"
    DAY_STAMPS = "day_stamps"


# Below this maximum, a counter still restarts once in each cycle, and no figure is older than FIRST_YEAR.
MAX_HOURS = 240
DEFAULT_HOURS = {CounterFaultKind.LATE_RESTART: 8, CounterFaultKind.LAG: 6}


@dataclass(frozen=True)
class CounterFault:
    """A fault of the counters that calls with a path below `path` read.

    `share` (0 to 1) is the share of the cards if the fault is one of a card's counter, and the share of the
    readings otherwise. `hours` is a delay. Only some kinds use it.
    """

    path: str
    kind: CounterFaultKind
    share: float = 1.0
    hours: float = 0


@dataclass(frozen=True)
class CounterReading:
    """What a carrier says about a card: the value of its counter, and when the value was measured."""

    used_mb: Decimal
    measured_at: datetime


@dataclass(frozen=True)
class Circumstances:
    """What a kind needs to know: the card's carrier, when the fault was turned on, and the fault's `hours`."""

    carrier: SimulatedCarrier
    since: datetime
    delay: timedelta


# A function that returns what a counter says at a moment, without the fault that is applied to it.
Counter = Callable[[datetime], CounterReading]
Apply = Callable[[Counter, datetime, Circumstances], CounterReading]


def zero(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Say 0."""
    return replace(counter(at), used_mb=Decimal(0))


def absurd(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Say 999,999,999 MB."""
    return replace(counter(at), used_mb=ABSURD_MB)


def unit(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Say kilobytes instead of megabytes."""
    reading = counter(at)
    return replace(reading, used_mb=reading.used_mb * UNIT_FACTOR)


def wrap(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Count in 32 bits, so that the counter restarts after 2^32 bytes."""
    reading = counter(at)
    return replace(reading, used_mb=(reading.used_mb % WRAP_MB).quantize(STEP))


def swap(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Count from 0 since the fault was turned on, as after a SIM swap. A later restart is as usual."""
    reading, carrier = counter(at), circumstances.carrier
    has_restarted = not carrier.is_lifetime and circumstances.since < cycle_of(carrier, at).begin
    if at < circumstances.since or has_restarted:
        return reading
    return replace(reading, used_mb=reading.used_mb - counter(circumstances.since).used_mb)


def late_restart(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Restart the counter `hours` after the start of each cycle that begins while the fault is on.

    The counter does not include what is used in these hours. A lifetime counter never restarts.
    """
    reading, carrier = counter(at), circumstances.carrier
    begin = cycle_of(carrier, at).begin
    if carrier.is_lifetime or begin < circumstances.since:
        return reading
    restarts_at = begin + circumstances.delay
    if at >= restarts_at:
        return replace(reading, used_mb=reading.used_mb - counter(restarts_at).used_mb)
    # The previous cycle may have begun late, too.
    before = late_restart(counter, begin - _INSTANT, circumstances)
    return replace(reading, used_mb=before.used_mb + reading.used_mb)


def lag(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Say the figure of `hours` ago, as if it were measured now."""
    return replace(counter(at - circumstances.delay), measured_at=at)


def frozen(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Repeat the reading of the moment when the fault was turned on."""
    return counter(min(at, circumstances.since))


def day_stamps(counter: Counter, at: datetime, circumstances: Circumstances) -> CounterReading:
    """Stamp the reading with the start of the carrier's local day."""
    reading, calendar = counter(at), circumstances.carrier.calendar
    return replace(reading, measured_at=calendar.start_of(calendar.day_of(reading.measured_at)))


@dataclass(frozen=True)
class CounterKind:
    """How a kind changes a reading, and whether the fault is one of the card, so that it always has it."""

    apply: Apply
    is_of_card: bool


COUNTER_KINDS: dict[CounterFaultKind, CounterKind] = {
    CounterFaultKind.ZERO: CounterKind(zero, is_of_card=False),
    CounterFaultKind.ABSURD: CounterKind(absurd, is_of_card=False),
    CounterFaultKind.UNIT: CounterKind(unit, is_of_card=False),
    CounterFaultKind.WRAP: CounterKind(wrap, is_of_card=True),
    CounterFaultKind.SWAP: CounterKind(swap, is_of_card=True),
    CounterFaultKind.LATE_RESTART: CounterKind(late_restart, is_of_card=True),
    CounterFaultKind.LAG: CounterKind(lag, is_of_card=True),
    CounterFaultKind.FROZEN: CounterKind(frozen, is_of_card=True),
    CounterFaultKind.DAY_STAMPS: CounterKind(day_stamps, is_of_card=True),
}


class CounterFaults:
    """The counter faults in force, at most one for each path and kind.

    A fault of cards hits those that a hash of the ICCID, the kind and `seed` chooses, so the same cards stay
    faulty. For the other faults, the same `seed` and the same sequence of calls hit the same readings. Example::

        faults = CounterFaults(seed=0)
        faults.put(CounterFault("/c/northwind", CounterFaultKind.LAG, share=0.1, hours=6), now=now)
        faults.read(carrier, "89860000000000000001", "/c/northwind/v1/usage", at=now)
    """

    def __init__(self, *, seed: int) -> None:
        self._faults: dict[tuple[str, CounterFaultKind], tuple[CounterFault, datetime]] = {}
        self._seed = seed
        self._random = random.Random(seed)

    def __bool__(self) -> bool:
        return bool(self._faults)

    def put(self, fault: CounterFault, *, now: datetime) -> None:
        """Turn a fault on at the simulated time `now`, or replace the fault of the same path and kind.

        A share of 0 turns it off.
        """
        key = (fault.path, fault.kind)
        if fault.share > 0:
            self._faults[key] = (fault, now)
        else:
            self._faults.pop(key, None)

    def read(self, carrier: SimulatedCarrier, iccid: str, path: str, *, at: datetime) -> CounterReading:
        """Return what a call to `path` says about a card at the simulated time `at`.

        Several faults apply in the order in which they were turned on.
        """
        counter: Counter = partial(_true_reading, carrier, iccid)
        for fault, since in self._faults.values():
            if path.startswith(fault.path) and self._hits(fault, iccid):
                circumstances = Circumstances(carrier, since, timedelta(hours=fault.hours))
                counter = partial(_apply, COUNTER_KINDS[fault.kind].apply, counter, circumstances)
        return counter(at)

    def _hits(self, fault: CounterFault, iccid: str) -> bool:
        if COUNTER_KINDS[fault.kind].is_of_card:
            return hash_of(iccid, f"{fault.kind} {self._seed}") < fault.share * 2**64
        return self._random.random() < fault.share


def _true_reading(carrier: SimulatedCarrier, iccid: str, at: datetime) -> CounterReading:
    return CounterReading(counter_mb(iccid, cycle_of(carrier, at).counted(at)), at)


def _apply(apply: Apply, counter: Counter, circumstances: Circumstances, at: datetime) -> CounterReading:
    return apply(counter, at, circumstances)
