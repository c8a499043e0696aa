"""The schedule of one check type: which card is due when, and which worker has claimed it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from operator import itemgetter
from typing import Any, TypeVar, cast

import orjson
from redis import Redis
from redis.exceptions import ResponseError

from common.redis import scripts
from common.redis.semaphore import CALL_SECONDS
from polling.schedule import keys
from polling.schedule.histogram import BOUNDS_MS, DELAY_BOUNDS_SECONDS

# Lists of a script pass over Lua's stack, so cards are sent in bounded portions.
PORTION_CARDS = 1000
PAGE_CARDS = 4000
MINUTES_ARE_KEPT = timedelta(hours=2)

# One lost claim may be a restart. After two, a card is handed out alone, so that its next loss can only be its own.
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
    # Counts nothing; a card that was triggered goes back to the front of the triggers.
    AGAIN = "again"


class Which(StrEnum):
    """The cards that a claim takes."""

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

    `overdue` is how long the card had been due, negative when it was not due yet. `is_triggered`: by hand.
    """

    card_id: int
    token: int
    overdue: timedelta = timedelta()
    is_triggered: bool = False


@dataclass(frozen=True)
class Settlement:
    """The end of a claim. The card is due again after `delay`; None removes it from the schedule.

    A delay of `-overdue` puts the card back in its old place, ahead of cards that fell due later.
    """

    claim: Claim
    delay: timedelta | None
    counts: Counts = Counts.NOTHING
    duration_ms: int = 0


@dataclass(frozen=True)
class Lost:
    """A card that lost too many claims, and the worker that had the last one (empty: not known)."""

    card_id: int
    holder: str


@dataclass(frozen=True)
class Claimed:
    """The answer to a claim. Park `to_park`, row first; cards in `parked` were triggered, but are parked already."""

    claims: list[Claim]
    to_park: list[Lost]
    parked: list[int]


@dataclass(frozen=True)
class Place:
    """Where a card is: scheduled (`due_in`, negative when overdue), being checked, or parked. Else not scheduled."""

    due_in: timedelta | None
    is_claimed: bool
    is_parked: bool


@dataclass(frozen=True)
class Outlook:
    """Numbers of cards that are due now, that were triggered by hand, and that are to be checked alone."""

    due: int
    triggered: int
    suspects: int

    @property
    def cards(self) -> int:
        """The cards that can be claimed together."""
        return self.due + self.triggered


class Schedule:
    """One check type's queue and claims.

    Times are relative: callers pass delays, and Redis' own clock turns them into dates. Sample::

        polling:queue:carddata    zset  8421 -> 1790000612.25
        polling:claims:carddata   hash  8421 -> 4294967307|1790000612.250|worker-1:4242
        polling:lost:carddata     hash  97 -> 2

    Example::

        schedule = Schedule(redis, "carddata")
        claims = schedule.claim(count=200, ttl=timedelta(seconds=60)).claims
        schedule.settle([Settlement(claim, timedelta(minutes=30), Counts.SUCCESS) for claim in claims])
    """

    def __init__(self, redis: Redis, check_type: str) -> None:
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
        """Claim up to `count` cards: triggers first, then the longest due. Raise NoScheduleError."""
        used = [self._queue, self._claims, keys.EPOCH, keys.tokens(self.check_type), keys.LAST_CLAIM]
        used += [*self._memory, self._manual, self._parked, self._counters]
        request = {
            "count": min(count, PORTION_CARDS),
            "claim_seconds": ttl.total_seconds(),
            "holder": holder,
            "which": which.value,
            "suspect_after": SUSPECT_AFTER,
            "park_after": PARK_AFTER,
        }
        answer = orjson.loads(cast("str", self._run("claim", used, [orjson.dumps(request)])))
        claims, to_park = answer["claims"], answer["to_park"]
        rows = zip(claims["card"], claims["token"], claims["overdue"], claims["triggered"], strict=True)
        return Claimed(
            [
                Claim(int(card), int(token), timedelta(seconds=late), by_hand)
                for card, token, late, by_hand in rows
            ],
            [
                Lost(int(card), holder)
                for card, holder in zip(to_park["card"], to_park["holder"], strict=True)
            ],
            [int(card) for card in answer["parked"]],
        )

    def outlook(self) -> Outlook:
        """Count what there is to do now. Raise NoScheduleError. Readiness takes this for a claim."""
        used = [self._queue, keys.EPOCH, keys.LAST_CLAIM, self._manual, self._suspects]
        return Outlook(**orjson.loads(cast("str", self._run("outlook", used, ()))))

    def place_of(self, card_id: int) -> Place:
        """Return where one card is now."""
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
        """End claims. Claims that ran out or were taken over meanwhile are ignored; return how many were not."""
        used = [
            self._queue,
            self._claims,
            *self._memory,
            self._manual,
            keys.stats(self.check_type),
            self._counters,
        ]
        settings = orjson.dumps(
            {
                "minute": keys.minute(self.check_type),
                "kept_seconds": int(MINUTES_ARE_KEPT.total_seconds()),
                "duration_bounds": BOUNDS_MS,
                "delay_bounds": DELAY_BOUNDS_SECONDS,
            }
        )
        return sum(
            cast("int", self._run("settle", used, [settings, _settlement_columns(portion)]))
            for portion in _portions(settlements)
        )

    def plan(self, due: Iterable[tuple[int, float]], *, mode: PlanMode) -> int:
        """Put cards into the queue, each with its delay in seconds; return how many were new."""
        used = [self._queue, self._claims, self._parked]
        # In the order of the queue: inserting cards side by side costs half.
        in_order = sorted(due, key=itemgetter(1))
        return sum(
            cast("int", self._run("plan", used, (mode.value, _due_columns(portion))))
            for portion in _portions(in_order)
        )

    def hasten(self, due: Iterable[tuple[int, float]]) -> int:
        """Make scheduled cards due after a delay in seconds, if that is sooner; return how many changed.

        A card that is being checked is checked once more at that time.
        """
        used = [self._queue, self._claims]
        return sum(
            cast("int", self._run("hasten", used, [_due_columns(portion)]))
            for portion in _portions(list(due))
        )

    def expire_claims(self, dead_holders: Collection[str]) -> int:
        """Let claims of killed workers run out once their calls must have ended; return how many changed."""
        given = orjson.dumps({"expire_in": CALL_SECONDS, "holders": sorted(dead_holders)})
        return cast("int", self._run("expire_claims", [self._queue, self._claims], [given]))

    def forget(self, cards: Sequence[int]) -> int:
        """Take cards out of every structure; return how many were scheduled or parked."""
        used = [self._queue, self._claims, *self._memory, self._parked]
        return sum(cast("int", self._run("forget", used, portion)) for portion in _portions(cards))

    def park(self, cards: Sequence[int]) -> int:
        """Park cards whose rows already say so; return how many were not parked before."""
        used = [self._queue, self._claims, *self._memory, self._parked]
        return sum(cast("int", self._run("park", used, portion)) for portion in _portions(cards))

    def parked(self) -> set[int]:
        """Return the parked cards; they are few."""
        return {int(card_id) for card_id in cast("list[str]", self._redis.zrange(self._parked, 0, -1))}

    def unpark(self, cards: Collection[int]) -> None:
        """Let parked cards be planned again."""
        for portion in _portions(list(cards)):
            self._redis.zrem(self._parked, *portion)

    def pages(self) -> Iterator[list[int]]:
        """Yield all scheduled cards in portions. A card that stays scheduled meanwhile comes at least once."""
        cursor = None
        while cursor != 0:
            cursor, found = cast(
                "tuple[int, list[tuple[str, float]]]",
                self._redis.zscan(self._queue, cursor or 0, count=PAGE_CARDS),
            )
            yield [int(card_id) for card_id, _ in found]

    def release(self, due: Sequence[tuple[int, float]]) -> int:
        """Put parked cards back into the queue, each with its delay in seconds; return how many were new."""
        self.unpark([card_id for card_id, _ in due])
        return self.plan(due, mode=PlanMode.NEW_ONLY)

    def _run(self, script: str, used: Sequence[str], arguments: Sequence[Any]) -> object:
        try:
            return scripts.load(self._redis, __file__, script)(keys=used, args=arguments)
        except ResponseError as error:
            if str(error).startswith("EPOCH"):
                raise NoScheduleError from None
            raise


def _settlement_columns(settlements: Sequence[Settlement]) -> bytes:
    """Return the argument of settle.lua: one list per field."""
    claims = [settlement.claim for settlement in settlements]
    delays = [settlement.delay for settlement in settlements]
    return orjson.dumps(
        {
            "card": [claim.card_id for claim in claims],
            # Strings: Lua's numbers are doubles, and a token is compared with text.
            "token": [str(claim.token) for claim in claims],
            "due_in": [None if delay is None else delay.total_seconds() for delay in delays],
            "counts": [settlement.counts.value for settlement in settlements],
            "duration_ms": [settlement.duration_ms for settlement in settlements],
            "late": [max(0.0, claim.overdue.total_seconds()) for claim in claims],
        }
    )


def _due_columns(due: Sequence[tuple[int, float]]) -> bytes:
    """Return the argument of plan.lua and hasten.lua: one list per field."""
    return orjson.dumps({"card": [card_id for card_id, _ in due], "due_in": [delay for _, delay in due]})


def _portions(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + PORTION_CARDS] for start in range(0, len(items), PORTION_CARDS))
