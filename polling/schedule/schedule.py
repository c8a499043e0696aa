"""The schedule of one check type: which card is due when, and who is at it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar, cast

import orjson
from redis import Redis
from redis.exceptions import ResponseError

from common.redis import scripts
from common.redis.semaphore import CALL_SECONDS
from polling.schedule import keys
from polling.schedule.histogram import BOUNDS_MS, DELAY_BOUNDS_SECONDS

# A script's arguments pass over Lua's stack, so they come in bounded portions.
PORTION_CARDS = 1000
PAGE_CARDS = 4000
MINUTES_ARE_KEPT = timedelta(hours=2)

# One lost claim may be a restart. After two the card is handed out alone, so that the next loss is its own.
SUSPECT_AFTER = 2
PARK_AFTER = 5

Item = TypeVar("Item")


class NoScheduleError(Exception):
    """There is no schedule: an empty one must not look like "nothing is due"."""


class Counts(StrEnum):
    """What a settled claim counts as."""

    SUCCESS = "success"
    FAILED = "failed"
    NOTHING = "nothing"
    # Nothing; and the card, which was triggered, is triggered as before.
    AGAIN = "again"


class Which(StrEnum):
    """What a claim takes."""

    ANY = "any"
    TRIGGERED = "manual"
    SUSPECT = "alone"


class PlanMode(StrEnum):
    """Whether planning may move a card that is in the queue."""

    NEW_ONLY = "NX"
    MOVE = "SET"


@dataclass(frozen=True)
class Claim:
    """The right to check a card until the claim ends. Tokens grow: a later claim has a larger one.

    `overdue` is how long the card had been due, negative when it was not; `is_triggered`: it was wanted at once.
    """

    card_id: int
    token: int
    overdue: timedelta = timedelta()
    is_triggered: bool = False


@dataclass(frozen=True)
class Settlement:
    """The end of a claim. `delay` until the card is due again; None removes it from the schedule.

    The negative of `overdue` puts the card back where it was, in front of what fell due later.
    """

    claim: Claim
    delay: timedelta | None
    counts: Counts = Counts.NOTHING
    duration_ms: int = 0


@dataclass(frozen=True)
class Lost:
    """A card whose claims ran out again and again, and where the last one was (empty: not known)."""

    card_id: int
    holder: str


@dataclass(frozen=True)
class Claimed:
    """What a claim brought. `to_park` are to be parked, row first; `parked` were triggered, but are parked."""

    claims: list[Claim]
    to_park: list[Lost]
    parked: list[int]


@dataclass(frozen=True)
class Place:
    """Where a card is: scheduled (`due_in` may be over), being checked, or parked; none of them: not scheduled."""

    due_in: timedelta | None
    is_claimed: bool
    is_parked: bool


@dataclass(frozen=True)
class Outlook:
    """How many cards are due now, how many were triggered by hand, and how many are to be asked about alone."""

    due: int
    triggered: int
    suspects: int

    @property
    def cards(self) -> int:
        """Those that can be claimed together."""
        return self.due + self.triggered


class Schedule:
    """One check type's queue and claims.

    Redis' own clock is the only one: callers pass delays, never dates. Sample::

        polling:queue:carddata    zset  8421 -> 1790000612.25
        polling:claims:carddata   hash  8421 -> 4294967307|1790000612.250|worker-1:4242
        polling:lost:carddata     hash  97 -> 2
    """

    def __init__(self, redis: Redis, check_type: str) -> None:
        """`check_type` is a wire name, such as `carddata`."""
        self._redis = redis
        self.check_type = check_type
        self._queue = keys.queue(check_type)
        self._claims = keys.claims(check_type)
        self._manual = keys.manual(check_type)
        self._parked = keys.parked(check_type)
        self._counters = keys.counters(check_type)
        self._suspects = keys.suspects(check_type)
        self._memory = [keys.lost(check_type), self._suspects, keys.again(check_type)]

    def claim(self, count: int, *, ttl: timedelta, holder: str = "", which: Which = Which.ANY) -> Claimed:
        """Claim up to `count` cards: triggers first, then the longest due; raises NoScheduleError."""
        used = [self._queue, self._claims, keys.EPOCH, keys.tokens(self.check_type), keys.LAST_CLAIM]
        used += [*self._memory, self._manual, self._parked, self._counters]
        count = min(count, PORTION_CARDS)
        arguments = (count, ttl.total_seconds(), holder, which.value, SUSPECT_AFTER, PARK_AFTER)
        flat = cast("list[Any]", self._run("claim", used, arguments))
        taken = Claimed([], [], [])
        for card_id, what, more, triggered in zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True):
            if what == "parked":
                taken.parked.append(int(card_id))
            elif what == "park":
                taken.to_park.append(Lost(int(card_id), more))
            else:
                overdue = timedelta(seconds=float(more))
                taken.claims.append(Claim(int(card_id), int(what), overdue, bool(triggered)))
        return taken

    def look(self) -> Outlook:
        """What there is to do now; raises NoScheduleError. Readiness counts it as a claim: somebody is there."""
        used = [self._queue, keys.EPOCH, keys.LAST_CLAIM, self._manual, self._suspects]
        return Outlook(*cast("list[int]", self._run("look", used, ())))

    def place_of(self, card_id: int) -> Place:
        """Where one card is now."""
        seconds, microseconds = self._redis.time()
        now = seconds + microseconds / 1_000_000
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zscore(self._queue, str(card_id))
        pipeline.hget(self._claims, str(card_id))
        pipeline.zscore(self._parked, str(card_id))
        due, claim, parked = pipeline.execute()
        is_claimed = claim is not None and float(claim.split("|")[1]) > now
        return Place(None if due is None else timedelta(seconds=due - now), is_claimed, parked is not None)

    def settle(self, settlements: Sequence[Settlement]) -> int:
        """End claims; returns how many were still ours. The others are ignored."""
        head: list[int | float | str] = [
            keys.minute(self.check_type),
            int(MINUTES_ARE_KEPT.total_seconds()),
            len(BOUNDS_MS),
            *BOUNDS_MS,
            *DELAY_BOUNDS_SECONDS,
        ]
        used = [
            self._queue,
            self._claims,
            *self._memory,
            self._manual,
            keys.stats(self.check_type),
            self._counters,
        ]
        accepted = 0
        for portion in _portions(settlements):
            arguments = head.copy()
            for settlement in portion:
                arguments += _settle_arguments(settlement)
            accepted += cast(int, self._run("settle", used, arguments))
        return accepted

    def plan(self, due: Iterable[tuple[int, float]], *, mode: PlanMode) -> int:
        """Put cards into the queue, each with its delay in seconds; returns how many were new."""
        used = [self._queue, self._claims, self._parked]
        # In the order of the queue: cards that are inserted side by side cost half.
        in_order = sorted(due, key=itemgetter(1))
        return sum(
            cast(int, self._run("plan", used, (mode.value, orjson.dumps([*chain.from_iterable(portion)]))))
            for portion in _portions(in_order)
        )

    def hasten(self, due: Iterable[tuple[int, float]]) -> int:
        """Make scheduled cards due after a delay in seconds, if that is sooner; returns how many it concerns.

        One that is being checked is due once more then.
        """
        used = [self._queue, self._claims]
        return sum(
            cast(int, self._run("hasten", used, tuple(chain.from_iterable(portion))))
            for portion in _portions(list(due))
        )

    def end_claims(self, dead: Collection[str]) -> int:
        """Let claims of `dead` holders run out as soon as nobody can be at their calls any more; returns how many do."""
        return cast(int, self._run("end_claims", [self._queue, self._claims], (CALL_SECONDS, *dead)))

    def forget(self, cards: Sequence[int]) -> int:
        """Take cards out of everything; returns how many were scheduled or parked."""
        used = [self._queue, self._claims, *self._memory, self._parked]
        return sum(cast(int, self._run("forget", used, portion)) for portion in _portions(cards))

    def park(self, cards: Sequence[int]) -> int:
        """Set cards aside whose rows say so; returns how many were not parked before."""
        used = [self._queue, self._claims, *self._memory, self._parked]
        return sum(cast(int, self._run("park", used, portion)) for portion in _portions(cards))

    def parked(self) -> set[int]:
        """The cards that are set aside; they are few."""
        return {int(card_id) for card_id in cast("list[str]", self._redis.zrange(self._parked, 0, -1))}

    def unpark(self, cards: Collection[int]) -> None:
        """These are not set aside any more, and can be planned."""
        for portion in _portions(list(cards)):
            self._redis.zrem(self._parked, *portion)

    def pages(self) -> Iterator[list[int]]:
        """All scheduled cards, in portions: whoever stays scheduled meanwhile is named, perhaps twice."""
        cursor = None
        while cursor != 0:
            cursor, found = cast(
                "tuple[int, list[tuple[str, float]]]",
                self._redis.zscan(self._queue, cursor or 0, count=PAGE_CARDS),
            )
            yield [int(card_id) for card_id, _ in found]

    def release(self, due: Sequence[tuple[int, float]]) -> int:
        """Put parked cards back into the queue, each with its delay in seconds; returns how many were new."""
        self.unpark([card_id for card_id, _ in due])
        return self.plan(due, mode=PlanMode.NEW_ONLY)

    def _run(self, script: str, used: Sequence[str], arguments: Sequence[Any]) -> object:
        try:
            return scripts.load(self._redis, __file__, script)(keys=used, args=arguments)
        except ResponseError as error:
            if str(error).startswith("EPOCH"):
                raise NoScheduleError from None
            raise


def _settle_arguments(settlement: Settlement) -> tuple[int | float | str, ...]:
    delay = "remove" if settlement.delay is None else settlement.delay.total_seconds()
    claim = settlement.claim
    late = max(0.0, claim.overdue.total_seconds())
    return (claim.card_id, claim.token, delay, settlement.counts.value, settlement.duration_ms, late)


def _portions(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + PORTION_CARDS] for start in range(0, len(items), PORTION_CARDS))
