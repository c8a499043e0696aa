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

from common.clocks import redis_now
from common.redis import scripts
from common.redis.semaphore import CALL_SECONDS
from polling.schedule import keys
from polling.schedule.histogram import BOUNDS_MS, DELAY_BOUNDS_SECONDS

# The maximum number of cards that a script gets at once. A script puts them on Lua's stack, whose size is
# limited.
PORTION_CARDS = 1000
PAGE_CARDS = 4000
MINUTES_ARE_KEPT = timedelta(hours=2)

# No gateway was called.
NO_GATEWAY = 0

# One lost claim may come from a restart. After two, a card is claimed alone, so that no other card can
# cause its next loss.
SUSPECT_AFTER = 2
PARK_AFTER = 5

Item = TypeVar("Item")


class NoScheduleError(Exception):
    """There is no schedule. Without this error, a missing schedule would look like one without due cards."""


class Counts(StrEnum):
    """What a settled claim counts as."""

    SUCCESS = "success"
    FAILED = "failed"
    NOTHING = "nothing"
    # Counts as nothing, and puts the card back at the front of the manual queue.
    AGAIN = "again"


class Which(StrEnum):
    """The kind of cards that a claim takes."""

    ANY = "any"
    TRIGGERED = "manual"
    SUSPECT = "alone"


class PlanMode(StrEnum):
    """Whether planning may move a card that is already in the queue."""

    NEW_ONLY = "NX"
    MOVE = "SET"


@dataclass(frozen=True)
class Claim:
    """The right to check a card until the claim ends. A later claim has a larger token.

    `overdue` is how long the card had been due; it is negative if the card was not due yet. `is_triggered` is
    whether the card came from a manual trigger.
    """

    card_id: int
    token: int
    overdue: timedelta = timedelta()
    is_triggered: bool = False


@dataclass(frozen=True)
class Settlement:
    """The end of a claim. The card is due again after `delay`; None removes it from the schedule.

    A delay of `-overdue` puts the card back in its old place, ahead of cards that fell due later. The claim is
    also counted for the gateway that was called.
    """

    claim: Claim
    delay: timedelta | None
    counts: Counts = Counts.NOTHING
    duration_ms: int = 0
    gateway_id: int = NO_GATEWAY


@dataclass(frozen=True)
class Lost:
    """A card that has lost too many claims, and the worker that held the last one (empty if unknown)."""

    card_id: int
    holder: str


@dataclass(frozen=True)
class Claimed:
    """The result of claiming cards.

    The cards in `to_park` have lost too many claims: park them in PostgreSQL first, then in Redis. The cards
    in `parked` were triggered, but are parked already.
    """

    claims: list[Claim]
    to_park: list[Lost]
    parked: list[int]


@dataclass(frozen=True)
class Place:
    """Where a card is in the schedule.

    `due_in` is negative if the card is overdue, and None if the card is not scheduled.
    """

    due_in: timedelta | None
    is_claimed: bool
    is_parked: bool


@dataclass(frozen=True)
class Outlook:
    """How many cards are due now, how many were triggered by hand, and how many must be checked alone."""

    due: int
    triggered: int
    suspects: int

    @property
    def cards(self) -> int:
        """Return how many cards can be claimed now, not counting cards that must be checked alone."""
        return self.due + self.triggered


class Schedule:
    """The queue and the claims of one check type.

    Callers pass delays, and the scripts add them to the time of Redis' clock, so the clocks of workers need
    not agree. Sample::

        polling:queue:carddata    zset  8421 -> 1790000612.25
        polling:claims:carddata   hash  8421 -> 4294967307|1790000612.250|worker-1:4242:1790000000-3fa9c1d2
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
        self._forgotten = keys.forgotten(check_type)
        self._memory = [keys.lost(check_type), self._suspects, keys.again(check_type)]

    def claim(self, count: int, *, ttl: timedelta, holder: str = "", which: Which = Which.ANY) -> Claimed:
        """Claim up to `count` cards: triggered cards first, then those that have been due longest.

        Raise NoScheduleError if there is no schedule.
        """
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
        """Count the cards that can be claimed now. Raise NoScheduleError if there is no schedule.

        For the readiness check, this call counts as a claim, because it shows that a worker is running.
        """
        used = [self._queue, keys.EPOCH, keys.LAST_CLAIM, self._manual, self._suspects]
        return Outlook(**orjson.loads(cast("str", self._run("outlook", used, ()))))

    def place_of(self, card_id: int) -> Place:
        """Return where one card is now."""
        now = redis_now(self._redis)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zscore(self._queue, str(card_id))
        pipeline.hget(self._claims, str(card_id))
        pipeline.zscore(self._parked, str(card_id))
        due, claim, parked = pipeline.execute()
        is_claimed = claim is not None and end_of(claim) > now
        return Place(None if due is None else timedelta(seconds=due - now), is_claimed, parked is not None)

    def settle(self, settlements: Sequence[Settlement]) -> int:
        """End claims; return how many were still valid.

        A claim is ignored if its card has since been claimed again or parked. If its card was removed by
        `forget`, the claim is counted, but changes nothing else.
        """
        used = [
            self._queue,
            self._claims,
            *self._memory,
            self._manual,
            keys.stats(self.check_type),
            self._counters,
            self._forgotten,
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
        """Put cards into the queue, each with its delay in seconds.

        Return how many were not in the queue before.
        """
        used = [self._queue, self._claims, self._parked]
        # Sort by due time, because inserting cards next to each other costs half as much.
        in_order = sorted(due, key=itemgetter(1))
        return sum(
            cast("int", self._run("plan", used, (mode.value, _due_columns(portion))))
            for portion in _portions(in_order)
        )

    def hasten(self, due: Iterable[tuple[int, float]]) -> int:
        """Make scheduled cards due after a delay in seconds, unless they are due sooner anyway.

        A card that is being checked is checked once more at that time. Return how many cards changed.
        """
        used = [self._queue, self._claims]
        return sum(
            cast("int", self._run("hasten", used, [_due_columns(portion)]))
            for portion in _portions(list(due))
        )

    def expire_claims(self, dead_holders: Collection[str] | None) -> int:
        """Let the claims of killed workers end after CALL_SECONDS: by then, the workers' calls have ended.

        With None, let all claims end then. Return how many claims end sooner than before.
        """
        holders = None if dead_holders is None else sorted(dead_holders)
        given = orjson.dumps({"expire_in": CALL_SECONDS, "holders": holders})
        return cast("int", self._run("expire_claims", [self._queue, self._claims], [given]))

    def forget(self, cards: Sequence[int]) -> int:
        """Remove cards from all keys except the manual queue; return how many were scheduled or parked."""
        used = [self._queue, self._claims, *self._memory, self._parked, self._forgotten]
        return sum(cast("int", self._run("forget", used, portion)) for portion in _portions(cards))

    def park(self, cards: Sequence[int]) -> int:
        """Park in Redis the cards that are already parked in PostgreSQL.

        Return how many were not parked in Redis before.
        """
        used = [self._queue, self._claims, *self._memory, self._parked]
        return sum(cast("int", self._run("park", used, portion)) for portion in _portions(cards))

    def parked(self) -> set[int]:
        """Return the ids of all parked cards. There are few of them."""
        found = cast("list[str]", self._redis.zrange(self._parked, 0, -1))
        return {int(card_id) for card_id in found if card_id.isdecimal()}

    def unpark(self, cards: Collection[int]) -> None:
        """Allow parked cards to be planned again. This does not schedule them yet."""
        for portion in _portions(list(cards)):
            self._redis.zrem(self._parked, *portion)

    def pages(self) -> Iterator[dict[int, float]]:
        """Yield all scheduled cards, one page at a time. A page maps a card's id to its delay in seconds.

        A card that is scheduled during the entire iteration appears at least once, perhaps more often.
        """
        cursor = None
        while cursor != 0:
            cursor, found = cast(
                "tuple[int, list[tuple[str, float]]]",
                self._redis.zscan(self._queue, cursor or 0, count=PAGE_CARDS),
            )
            now = redis_now(self._redis)
            # A member that is no id is removed by the claim that meets it.
            yield {int(card_id): due - now for card_id, due in found if card_id.isdecimal()}

    def release(self, due: Sequence[tuple[int, float]]) -> int:
        """Put parked cards back into the queue, each with its delay in seconds.

        Return how many were not in the queue before.
        """
        self.unpark([card_id for card_id, _ in due])
        return self.plan(due, mode=PlanMode.NEW_ONLY)

    def _run(self, script: str, used: Sequence[str], arguments: Sequence[Any]) -> object:
        try:
            return scripts.load(self._redis, __file__, script)(keys=used, args=arguments)
        except ResponseError as error:
            if str(error).startswith("EPOCH"):
                raise NoScheduleError from None
            raise


def end_of(claim: str) -> float:
    """Return the end (unix s) of a claim in Redis; 0 if it cannot be read, which only a person can have caused."""
    try:
        return float(claim.split("|")[1])
    except (IndexError, ValueError):
        return 0.0


def _settlement_columns(settlements: Sequence[Settlement]) -> bytes:
    """Return the JSON argument of settle.lua, with one list for each field."""
    claims = [settlement.claim for settlement in settlements]
    delays = [settlement.delay for settlement in settlements]
    return orjson.dumps(
        {
            "card": [claim.card_id for claim in claims],
            # Send tokens as strings, because the script compares text, and Lua would read numbers as doubles.
            "token": [str(claim.token) for claim in claims],
            "due_in": [None if delay is None else delay.total_seconds() for delay in delays],
            "counts": [settlement.counts.value for settlement in settlements],
            "duration_ms": [settlement.duration_ms for settlement in settlements],
            "late": [max(0.0, claim.overdue.total_seconds()) for claim in claims],
            "gateway": [settlement.gateway_id for settlement in settlements],
        }
    )


def _due_columns(due: Sequence[tuple[int, float]]) -> bytes:
    """Return the JSON argument of plan.lua and hasten.lua, with one list for each field."""
    return orjson.dumps({"card": [card_id for card_id, _ in due], "due_in": [delay for _, delay in due]})


def _portions(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + PORTION_CARDS] for start in range(0, len(items), PORTION_CARDS))
