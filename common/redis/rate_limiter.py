"""Rates, over all processes: turns reserved in bulk a little ahead, and turns taken one by one, with bursts."""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from common.redis import scripts

# So far ahead may turns be reserved; those of a process that dies are lost to the others.
HORIZON_SECONDS = 0.4


@dataclass(frozen=True)
class Turns:
    """Turns that were reserved, all in seconds from now: the first, and how far they are apart.

    `next_free` is when the next one begins that nobody has reserved.
    """

    count: int
    first: float
    apart: float
    next_free: float


class Rate:
    """One limit of a rate: the generic cell rate algorithm (as in ATM traffic shaping), without a burst.

    Sample of its string: `1790000000123456`, when the next free turn begins (unix us).
    """

    def __init__(self, redis: Redis, key: str) -> None:
        """Rates of the same key share it."""
        self._key = key
        self._reserve = scripts.load(redis, __file__, "reserve_turns")

    def reserve(self, want: int, *, per_second: float) -> Turns:
        """Reserve up to `want` turns that begin within `HORIZON_SECONDS`."""
        apart = 1 / per_second
        arguments = [round(apart * 1_000_000), want, round(HORIZON_SECONDS * 1_000_000)]
        count, first, free = cast("list[int]", self._reserve(keys=[self._key], args=arguments))
        return Turns(count, first / 1_000_000, apart, free / 1_000_000)


@dataclass(frozen=True)
class Policy:
    """So many turns in so many seconds; all of them may be taken at once."""

    name: str
    turns: int
    seconds: int


@dataclass(frozen=True)
class Turn:
    """What came of asking for one: times in seconds from now. `next_in` is 0 when another may be taken at once."""

    is_taken: bool
    left: int
    next_in: float
    all_back_in: float


class RateLimiter:
    """The generic cell rate algorithm with a burst, for one who is limited.

    Sample of its string: `1790000000123456`, when the turns taken so far are paid for (unix us).
    """

    def __init__(self, redis: Redis, key: str, policy: Policy) -> None:
        """Quotas of the same key share it."""
        self._key = key
        self._policy = policy
        self._take = scripts.load(redis, __file__, "take_turn")

    def take(self) -> Turn:
        """Take a turn, if there is one."""
        interval = round(self._policy.seconds * 1_000_000 / self._policy.turns)
        taken, left, next_in, back_in = cast(
            "list[int]", self._take(keys=[self._key], args=[interval, self._policy.turns])
        )
        return Turn(bool(taken), left, next_in / 1_000_000, back_in / 1_000_000)
