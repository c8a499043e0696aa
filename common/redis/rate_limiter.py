"""Rate limits that all processes share, using the generic cell rate algorithm (GCRA).

A turn is the permission to do one thing, such as a call. `Rate` reserves several turns shortly before they
begin, and allows no bursts. `RateLimiter` takes one turn at a time, and allows bursts.
"""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from common.redis import scripts

# How far ahead turns may be reserved. Keep this short, because the turns of a process that dies stay unused.
HORIZON_SECONDS = 0.4


@dataclass(frozen=True)
class Turns:
    """Reserved turns. All times are in seconds.

    `first` is the time from now until the first turn begins, and `apart` the interval between two turns.
    `next_free` is the time from now until the first unreserved turn begins.
    """

    count: int
    first: float
    apart: float
    next_free: float


class Rate:
    """A rate limit without bursts (GCRA, as in ATM traffic shaping).

    Instances with the same key share the limit. The key holds the time at which the next free turn begins, in
    unix microseconds: `1790000000123456`.

    Example::

        turns = Rate(redis, key).reserve(20, per_second=50)
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._key = key
        self._reserve = scripts.load(redis, __file__, "reserve_turns")

    def reserve(self, want: int, *, per_second: float) -> Turns:
        """Reserve up to `want` turns that begin within `HORIZON_SECONDS`. If none is free, `count` is 0."""
        apart = 1 / per_second
        arguments = [round(apart * 1_000_000), want, round(HORIZON_SECONDS * 1_000_000)]
        count, first, free = cast("list[int]", self._reserve(keys=[self._key], args=arguments))
        return Turns(count, first / 1_000_000, apart, free / 1_000_000)


@dataclass(frozen=True)
class Policy:
    """At most `turns` turns in `seconds` seconds. All of these turns may be taken at once."""

    name: str
    turns: int
    seconds: int


@dataclass(frozen=True)
class Turn:
    """The result of trying to take a turn.

    `left` is the number of turns that can still be taken now. `next_in` is the time in seconds until another
    turn can be taken (0 means now), and `all_back_in` the time until all turns are available again.
    """

    is_taken: bool
    left: int
    next_in: float
    all_back_in: float


class RateLimiter:
    """A rate limit with bursts (GCRA), for one caller.

    Instances with the same key share the limit. The key holds the time at which all turns are available
    again, in unix microseconds: `1790000000123456`.

    Example::

        turn = RateLimiter(redis, key, Policy("reads", turns=600, seconds=60)).take()
    """

    def __init__(self, redis: Redis, key: str, policy: Policy) -> None:
        self._key = key
        self._policy = policy
        self._take = scripts.load(redis, __file__, "take_turn")

    def take(self) -> Turn:
        """Take a turn if one is left. `is_taken` of the result tells whether it was taken."""
        interval = round(self._policy.seconds * 1_000_000 / self._policy.turns)
        taken, left, next_in, back_in = cast(
            "list[int]", self._take(keys=[self._key], args=[interval, self._policy.turns])
        )
        return Turn(bool(taken), left, next_in / 1_000_000, back_in / 1_000_000)
