"""Rates shared by all processes, by the generic cell rate algorithm (GCRA).

`Rate` reserves turns in bulk, a little ahead of time. `RateLimiter` takes single turns and lets bursts
through.
"""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from common.redis import scripts

# How far ahead turns may be reserved. Turns of a process that dies are lost, so keep this short.
HORIZON_SECONDS = 0.4


@dataclass(frozen=True)
class Turns:
    """Reserved turns, in seconds from now.

    `first` is when the first of them begins, `apart` the interval between two, and `next_free` when the next
    turn begins that is not reserved yet.
    """

    count: int
    first: float
    apart: float
    next_free: float


class Rate:
    """A rate limit without bursts: the generic cell rate algorithm, as in ATM traffic shaping.

    Instances with the same key share the limit. Sample of its string: `1790000000123456`, when the next free
    turn begins (unix us).

    Example::

        turns = Rate(redis, key).reserve(20, per_second=50)
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._key = key
        self._reserve = scripts.load(redis, __file__, "reserve_turns")

    def reserve(self, want: int, *, per_second: float) -> Turns:
        """Reserve up to `want` turns that begin within `HORIZON_SECONDS`; `count` may be 0."""
        apart = 1 / per_second
        arguments = [round(apart * 1_000_000), want, round(HORIZON_SECONDS * 1_000_000)]
        count, first, free = cast("list[int]", self._reserve(keys=[self._key], args=arguments))
        return Turns(count, first / 1_000_000, apart, free / 1_000_000)


@dataclass(frozen=True)
class Policy:
    """`turns` per `seconds`. A burst may take all of them at once."""

    name: str
    turns: int
    seconds: int


@dataclass(frozen=True)
class Turn:
    """The result of trying to take a turn.

    `left` turns can still be taken now. `next_in` and `all_back_in` are seconds from now: until another turn
    can be taken (0: now), and until all turns can be.
    """

    is_taken: bool
    left: int
    next_in: float
    all_back_in: float


class RateLimiter:
    """A rate limit with bursts: the generic cell rate algorithm, for one caller that is limited.

    Instances with the same key share the limit. Sample of its string: `1790000000123456`, when the turns
    taken so far are paid for (unix us).

    Example::

        turn = RateLimiter(redis, key, Policy("reads", turns=600, seconds=60)).take()
    """

    def __init__(self, redis: Redis, key: str, policy: Policy) -> None:
        self._key = key
        self._policy = policy
        self._take = scripts.load(redis, __file__, "take_turn")

    def take(self) -> Turn:
        """Take a turn if one is left; `is_taken` tells whether it was."""
        interval = round(self._policy.seconds * 1_000_000 / self._policy.turns)
        taken, left, next_in, back_in = cast(
            "list[int]", self._take(keys=[self._key], args=[interval, self._policy.turns])
        )
        return Turn(bool(taken), left, next_in / 1_000_000, back_in / 1_000_000)
