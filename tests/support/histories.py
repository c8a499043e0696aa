"""True histories: a card's usage, what a carrier with one kind of fault says about it, and what the meter makes of it.

`play` runs one history of 75 days through the meter, and judges all closed cycles and what was certain in between.
What a card used between the two good readings around a restart cannot be known, and is allowed as a difference.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

from cards.meter import Meter, Reading, Tariff
from cards.meter_limits import JITTER_SHARE, SLACK_MB
from cards.metering import advance
from carriers.cycles import BillingCalendar, shifted

ZONES = (
    "UTC", "Asia/Shanghai", "America/Sao_Paulo", "Europe/Berlin", "Asia/Kolkata",
    "Pacific/Auckland", "America/Los_Angeles", "Africa/Cairo", "Pacific/Kiritimati",
)  # fmt: skip
HOUR = timedelta(hours=1)
INTERVALS = (timedelta(minutes=5), timedelta(minutes=30), HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)
DAYS = 75
ROUNDING = Decimal("0.01")
OVERFLOW_MB = Decimal(2**32) / 10**6
# Every reading of a carrier with these faults differs from the true counter.
ALWAYS = {"replaced card", "late and jitter", "overflow", "old figures"}
# Counters that restart each cycle show these faults of restarts.
RESTARTS = (
    "late",
    "early",
    "at midnight in UTC",
    "four days late",
    "never",
    "late and jitter",
    "late, tiny card",
)
# Both kinds of counters show these.
READINGS = (
    "honest", "zero", "two zeros", "zeros before the boundary", "kilobytes", "gigabytes", "absurd",
    "replaced card", "gap", "stopped", "out of order", "overflow", "old figures", "days as stamps",
)  # fmt: skip
FAULTS = (*RESTARTS, *READINGS)
# Fault -> the number of faulty readings, and what they say instead of the counter.
ODD_VALUES: dict[str, tuple[int, Callable[[Decimal, Random], Decimal]]] = {
    "zero": (1, lambda raw, chance: Decimal(0)),
    "two zeros": (2, lambda raw, chance: Decimal(0)),
    "kilobytes": (1, lambda raw, chance: raw * 1000),
    "gigabytes": (1, lambda raw, chance: rounded(raw / 1000)),
    "absurd": (1, lambda raw, chance: Decimal(chance.choice([999_999_999, 536_870_912, 10**8]))),
}


@dataclass
class Judged:
    """What the meter said about one history.

    Of the `closed` cycles, `wrong` ones differ from the truth, `unflagged` ones do so without a flag, and
    `unbounded` ones lie outside their stated bounds. Of the `readings`, `flagged` ones left the usage uncertain.
    After `overstated` ones, usage that was certain enough for a suspension was more than the truth.
    """

    closed: int = 0
    wrong: int = 0
    unflagged: int = 0
    unbounded: int = 0
    readings: int = 0
    flagged: int = 0
    overstated: int = 0


class Usage:
    """The true usage of a card, as its total at each poll. In between, it grows evenly."""

    def __init__(self, polls: Sequence[datetime], totals: Sequence[Decimal]) -> None:
        self._polls, self.totals = polls, list(totals)

    def at(self, moment: datetime) -> Decimal:
        """Return the total at a moment."""
        place = bisect_right(self._polls, moment) - 1
        if place < 0:
            return Decimal(0)
        if place + 1 == len(self._polls):
            return self.totals[-1]
        before, after = self._polls[place], self._polls[place + 1]
        share = Decimal((moment - before) / (after - before))
        return rounded(self.totals[place] + (self.totals[place + 1] - self.totals[place]) * share)

    def unseen_around(self, moment: datetime, faulty: set[int], *, age: timedelta = timedelta()) -> Decimal:
        """Return the usage between the two figures around a moment, apart from faulty ones. They are `age` old."""
        before = max(0, bisect_right(self._polls, moment + age) - 1)
        after = min(before + 1, len(self._polls) - 1)
        while before in faulty and before:
            before -= 1
        while after in faulty and after + 1 < len(self._polls):
            after += 1
        return self.at(self._polls[after] - age) - self.at(self._polls[before] - age)


def rounded(amount: float | Decimal) -> Decimal:
    """Return an amount in whole thousandths of a megabyte."""
    return Decimal(amount).quantize(Decimal("0.001"))


class History:
    """A random history of one card whose carrier has one kind of fault."""

    def __init__(self, seed: int, fault: str) -> None:
        self.fault, self.chance = fault, Random(f"{fault} {seed}")
        chance = self.chance
        self.calendar = BillingCalendar(chance.choice(ZONES), chance.randint(1, 28))
        self.is_lifetime = fault in READINGS and chance.random() < 0.4
        start = datetime(2026, chance.randint(1, 6), chance.randint(1, 28), chance.randint(0, 23), tzinfo=UTC)
        if fault != "honest" and chance.random() < 0.1:
            # More cards than by chance are first read just after a boundary.
            start = self.calendar.start_of(self.calendar.cycle_of(start)) + chance.uniform(0, 48) * HOUR
        self.cycles = [shifted(self.calendar.cycle_of(start), number) for number in range(4)]
        self.begins = [self.calendar.start_of(cycle) for cycle in self.cycles]
        self.polls = self._polls(start)
        self.restarts = sorted(self._restart(number) for number in range(4)) if fault != "never" else []
        # When the survey has seen that nearly all other cards have restarted. A small carrier has no witnesses.
        self.lag = chance.uniform(0.1, 7) * HOUR if chance.random() < 0.8 else None
        # When cycles begin, as the counter shows it.
        self.edges = self.restarts if self.restarts and not self.is_lifetime else self.begins
        # The reading that is faulty, or the first of several.
        self.odd = chance.randrange(
            len(self.polls) // 4, max(len(self.polls) // 4 + 1, len(self.polls) * 3 // 4)
        )
        self.usage = Usage(self.polls, self._totals())
        self.age = chance.uniform(0, 6) * HOUR if fault == "old figures" else timedelta()
        most = 100_000 if self.is_lifetime or fault == "never" else 100
        self.base = rounded(chance.choice([0, chance.uniform(0, most)]))
        self.passed_unseen = self._passed_unseen() if fault == "replaced card" else Decimal(0)

    def _passed_unseen(self) -> Decimal:
        """Return what the old counter showed if the new one is higher at its first reading above 0."""
        before = self.counter(self.polls[self.odd - 1])
        later = (self.reading(place).raw_mb for place in range(self.odd, len(self.polls)))
        return before if next((raw for raw in later if raw), Decimal(0)) >= before else Decimal(0)

    def _polls(self, start: datetime) -> list[datetime]:
        """Return the times of readings: often near a boundary, and at least every 6 hours elsewhere."""
        every, at, polls = self.chance.choice(INTERVALS), start, list[datetime]()
        while at < start + timedelta(days=DAYS):
            polls.append(at)
            is_near = any(abs(at - begin) < 60 * HOUR for begin in self.begins)
            at += (every if is_near else max(every, 6 * HOUR)) * self.chance.uniform(0.95, 1.05)
        if self.fault == "gap":
            boundary = self.chance.choice(self.begins[1:3])
            begin = boundary - timedelta(days=self.chance.uniform(0.2, 20))
            end = boundary + timedelta(days=self.chance.uniform(0.2, 10))
            polls = [at for at in polls if not begin < at < end]
        return polls

    def _restart(self, number: int) -> datetime:
        cycle, begin, chance = self.cycles[number], self.begins[number], self.chance
        if self.fault == "at midnight in UTC":
            return datetime(cycle.year, cycle.month, cycle.day, tzinfo=UTC)
        hours = {
            "late": chance.uniform(0, 48), "early": -chance.uniform(0, 13), "four days late": 96.0,
            "late and jitter": chance.uniform(0, 12), "late, tiny card": chance.uniform(0, 8),
        }.get(self.fault, 0.0)  # fmt: skip
        return begin + hours * HOUR

    def _totals(self) -> list[Decimal]:
        chance = self.chance
        per_month = chance.choice(
            [0, chance.uniform(0.1, 3), chance.uniform(5, 3000), chance.uniform(1000, 40_000)]
        )
        if self.fault == "late, tiny card":
            per_month = chance.uniform(0.05, 2)
        totals = [Decimal(0)]
        for place, (before, after) in enumerate(zip(self.polls, self.polls[1:], strict=False)):
            mean = per_month * ((after - before) / timedelta(days=30))
            is_idle = chance.random() < 0.3 or (self.fault == "stopped" and self._is_stopped(place + 1))
            totals.append(totals[-1] + rounded(0 if is_idle else mean * chance.expovariate(1)))
        return totals

    def _is_stopped(self, place: int) -> bool:
        return self.odd <= place < self.odd + 20

    def counter(self, at: datetime) -> Decimal:
        """Return the value of a counter that only shows the faults of restarts."""
        restart = bisect_right(self.restarts, at) - 1
        if self.is_lifetime or restart < 0 or self.restarts[restart] < self.polls[0]:
            return self.base + self.usage.at(at)
        return self.usage.at(at) - self.usage.at(self.restarts[restart])

    def tariff(self, at: datetime) -> Tariff:
        """Return how to interpret the counter. The other cards of the carrier restart with this one."""
        seen = [moment for moment in self.restarts if self.lag is not None and moment + self.lag <= at]
        grain = timedelta(days=1) if self.fault == "days as stamps" else timedelta()
        return Tariff(
            self.calendar,
            self.is_lifetime,
            stamp_grain=grain,
            restarted_cycle=self.cycles[len(seen) - 1] if seen else None,
        )

    def reading(self, place: int) -> Reading:
        """Return what the carrier says at a poll."""
        at = self.polls[place]
        if self.fault == "stopped" and self._is_stopped(place):
            return Reading(Decimal(0), at, is_stopped=True)
        if self.fault == "out of order" and place and self.chance.random() < 0.05:
            at = self.polls[place - 1] - timedelta(minutes=1)
        raw = self._faulty(place, at, self.counter(at - self.age))
        if self.fault == "days as stamps":
            at = self.calendar.start_of(self.calendar.day_of(at))
        return Reading(raw, at)

    def _faulty(self, place: int, at: datetime, raw: Decimal) -> Decimal:
        chance = self.chance
        if self.fault in ODD_VALUES:
            count, value = ODD_VALUES[self.fault]
            return value(raw, chance) if self.odd <= place < self.odd + count else raw
        if self.fault == "replaced card" and place >= self.odd:
            restarts = () if self.is_lifetime else self.restarts
            since = max([self.polls[self.odd], *(restart for restart in restarts if restart <= at)])
            return self.usage.at(at) - self.usage.at(since)
        if self.fault == "zeros before the boundary" and abs(at - self.begins[1]) < 8 * HOUR:
            return Decimal(0) if chance.random() < 0.3 else raw
        if self.fault == "overflow":
            return raw % OVERFLOW_MB
        if self.fault == "late and jitter" and chance.random() < 0.2:
            return rounded(raw * Decimal(1 - chance.random() * 0.009))
        return raw


def play(seed: int, fault: str) -> Judged:
    """Return the judgement of one history. Assert that all changes add up."""
    history = History(seed, fault)
    meter: Meter | None = None
    latest: dict[date, Meter] = {}
    changes: Counter[date] = Counter()
    faulty: set[int] = set()
    judged = Judged(readings=len(history.polls))
    for place, at in enumerate(history.polls):
        reading = history.reading(place)
        if reading.is_stopped or (reading.raw_mb != history.counter(at) and fault not in ALWAYS):
            faulty.add(place)
        step = advance(meter, reading, history.tariff(at))
        meter = latest[step.meter.cycle_start] = step.meter
        changes[meter.cycle_start] += step.delta_mb  # type: ignore[assignment]
        changes[meter.last_cycle] += step.last_delta_mb  # type: ignore[assignment]
        assert meter.used_mb == changes[meter.cycle_start], (seed, fault, reading)
        judged.flagged += not meter.is_certain
        if not meter.is_suspect and not meter.is_provisional:
            judged.overstated += _is_overstated(history, meter, at, faulty)
    for number in range(len(history.cycles) - 1):
        if fault == "never" and number == 0:
            # A first reading does not show that the counter is older than the cycle.
            continue
        following = latest.get(history.cycles[number + 1])
        if following and history.polls[0] < history.edges[number + 1] < history.polls[-1]:
            _judge(history, number, following, faulty, judged)
    return judged


def _is_overstated(history: History, meter: Meter, at: datetime, faulty: set[int]) -> bool:
    number = history.cycles.index(meter.cycle_start) if meter.cycle_start in history.cycles else None
    if number is None or (history.fault == "never" and number == 0):
        return False
    truth, allowed = _truth(history, number, at, faulty)
    return meter.low_mb > truth + allowed


def _judge(history: History, number: int, following: Meter, faulty: set[int], judged: Judged) -> None:
    """Judge a closed cycle by what the latest meter of the cycle that followed says about it."""
    truth, allowed = _truth(history, number, None, faulty)
    found = following.last_month_total_mb
    low, high = found - following.last_over_mb, found + following.last_under_mb
    is_wrong = abs(found - truth) > allowed
    judged.closed += 1
    judged.wrong += is_wrong
    judged.unflagged += is_wrong and low == high
    judged.unbounded += not low - allowed <= truth <= high + allowed


def _truth(
    history: History, number: int, until: datetime | None, faulty: set[int]
) -> tuple[Decimal, Decimal]:
    """Return the usage of a cycle, until a moment or its end, and the difference that cannot be known."""
    begin, end = history.edges[number], history.edges[number + 1] if until is None else until
    edges = [begin] if begin > history.polls[0] else []
    truth = history.usage.at(max(begin, end)) - history.usage.at(begin)
    if not edges and not history.is_lifetime and history.restarts:
        # The counter has counted the card's usage since the cycle began, before it was first read.
        truth += history.base
    edges += [end] if until is None else []
    allowed = sum((history.usage.unseen_around(edge, faulty, age=history.age) for edge in edges), ROUNDING)
    if history.is_lifetime:
        # The figures just after the edge are older than it.
        allowed += sum(
            history.usage.at(edge)
            - history.usage.at(edge - history.age)
            + history.usage.unseen_around(edge - history.age, faulty, age=history.age)
            for edge in edges
        )
    if history.fault == "replaced card":
        allowed += history.usage.unseen_around(history.polls[history.odd], {history.odd, history.odd - 1})
        allowed += history.passed_unseen
    if history.fault == "kilobytes":
        allowed += SLACK_MB
    if history.fault == "late and jitter":
        allowed += truth * JITTER_SHARE * 2
    return truth, allowed
