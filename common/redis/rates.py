"""Rates: at most N turns a second, over all processes, reserved in bulk a little ahead."""

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
