"""The schedule of one check type: which card is due when, and who is at it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar, cast

from redis import Redis
from redis.exceptions import ResponseError

from common.redis import scripts
from polling.store import keys
from polling.store.histogram import BOUNDS_MS

# A script's arguments pass over Lua's stack, so they come in bounded portions.
PORTION_CARDS = 1000
MINUTES_ARE_KEPT = timedelta(hours=2)

Item = TypeVar("Item")


class NoScheduleError(Exception):
    """There is no schedule: an empty one must not look like "nothing is due"."""


class Counts(StrEnum):
    """What a settled claim counts as."""

    SUCCESS = "success"
    FAILED = "failed"
    NOTHING = "nothing"


class PlanMode(StrEnum):
    """Whether planning may move a card that is in the queue."""

    NEW_ONLY = "NX"
    MOVE = "SET"


@dataclass(frozen=True)
class Claim:
    """The right to check a card until the claim ends. Tokens grow: a later claim has a larger one.

    `overdue` is how long the card had been due.
    """

    card_id: int
    token: int
    overdue: timedelta = timedelta()


@dataclass(frozen=True)
class Settlement:
    """The end of a claim. `delay` until the card is due again; None removes it from the schedule.

    A negative delay puts the card back where it was, in front of what fell due later.
    """

    claim: Claim
    delay: timedelta | None
    counts: Counts = Counts.NOTHING
    duration_ms: int = 0


class Schedule:
    """One check type's queue and claims.

    Redis' own clock is the only one: callers pass delays, never dates. Sample::

        polling:queue:carddata   zset  8421 -> 1790000612.25
        polling:claims:carddata  hash  8421 -> 4294967307|1790000612.250
    """

    def __init__(self, redis: Redis, check_type: str) -> None:
        """`check_type` is a wire name, such as `carddata`."""
        self._redis = redis
        self._queue = keys.queue(check_type)
        self._claims = keys.claims(check_type)
        self._tokens = keys.tokens(check_type)
        self._totals = keys.stats(check_type)
        self._minute = keys.minute(check_type)
        self._claim = scripts.load(redis, __file__, "claim")
        self._settle = scripts.load(redis, __file__, "settle")
        self._plan = scripts.load(redis, __file__, "plan")

    def claim(self, count: int, *, ttl: timedelta) -> list[Claim]:
        """Claim up to `count` due cards, longest due first; raises NoScheduleError."""
        wanted = min(count, PORTION_CARDS)
        used = [self._queue, self._claims, keys.EPOCH, self._tokens, keys.LAST_CLAIM]
        try:
            flat = cast("list[str]", self._claim(keys=used, args=[wanted, ttl.total_seconds()]))
        except ResponseError as error:
            if str(error).startswith("EPOCH"):
                raise NoScheduleError from None
            raise
        return [
            Claim(int(card_id), int(token), timedelta(seconds=float(overdue)))
            for card_id, token, overdue in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        ]

    def due(self) -> int:
        """How many cards are due now."""
        seconds, microseconds = self._redis.time()
        return self._redis.zcount(self._queue, "-inf", seconds + microseconds / 1_000_000)

    def settle(self, settlements: Sequence[Settlement]) -> int:
        """End claims; returns how many were still ours. The others are ignored."""
        head: list[int | float | str] = [
            self._minute,
            int(MINUTES_ARE_KEPT.total_seconds()),
            len(BOUNDS_MS),
            *BOUNDS_MS,
        ]
        accepted = 0
        for portion in _portions(settlements):
            arguments = head.copy()
            for settlement in portion:
                arguments += _settle_arguments(settlement)
            used = [self._queue, self._claims, self._totals]
            accepted += cast(int, self._settle(keys=used, args=arguments))
        return accepted

    def plan(self, due: Iterable[tuple[int, float]], *, mode: PlanMode) -> int:
        """Put cards into the queue, each with its delay in seconds; returns how many were new."""
        added = 0
        for portion in _portions(list(due)):
            flat = [value for pair in portion for value in pair]
            added += cast(int, self._plan(keys=[self._queue, self._claims], args=(mode.value, *flat)))
        return added


def _settle_arguments(settlement: Settlement) -> tuple[int | float | str, ...]:
    delay = "remove" if settlement.delay is None else settlement.delay.total_seconds()
    claim = settlement.claim
    return (claim.card_id, claim.token, delay, settlement.counts.value, settlement.duration_ms)


def _portions(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + PORTION_CARDS] for start in range(0, len(items), PORTION_CARDS))
