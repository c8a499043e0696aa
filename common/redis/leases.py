"""Seats: at most N calls at once, over all processes, healing by themselves when a holder dies."""

import itertools
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from redis import Redis

from common.redis import scripts

# A drain takes seats for at most 15 s of work, a call's deadline is 10 s, 5 s are spare: no renewal needed.
LEASE_SECONDS = 30

_serial = itertools.count()
_started_at = int(time.time())


@dataclass(frozen=True)
class SeatKeys:
    """Where one limit lives: the seats themselves, the limit, and the number taken."""

    seats: str
    limit: str
    current: str


class SeatPool:
    """One concurrency limit.

    No limit in Redis means closed, 0 means paused. Sample of the zset of seats::

        worker-1:4242:1790000000:7#1 -> 1790000030123   (expiry, unix ms)
    """

    def __init__(self, redis: Redis, keys: SeatKeys) -> None:
        """`keys` name one limit; pools of the same keys share it."""
        self._redis = redis
        self._keys = keys
        self._take = scripts.load(redis, __file__, "take_seats")
        self._give_back = scripts.load(redis, __file__, "give_back_seats")

    @contextmanager
    def taken(self, want: int) -> Iterator["TakenSeats"]:
        """Hold up to `want` seats (0 and more come), and give them back at the end."""
        seats = TakenSeats(self, self.take(want))
        try:
            yield seats
        finally:
            seats.keep(0)

    def take(self, want: int) -> list[str]:
        """Take up to `want` seats for `LEASE_SECONDS`; returns their names, to be given back."""
        keys = self._keys
        arguments = (f"{holder()}:{next(_serial)}", want, LEASE_SECONDS * 1000)
        return cast("list[str]", self._take(keys=[keys.seats, keys.limit, keys.current], args=arguments))

    def give_back(self, members: Sequence[str]) -> int:
        """Free seats that `take` returned; returns how many are still held by anybody."""
        return cast(int, self._give_back(keys=[self._keys.seats, self._keys.current], args=members))

    def sweep(self) -> int:
        """Drop expired seats; returns how many are held."""
        return self.give_back(())

    def set_limit(self, limit: int) -> None:
        """Write the limit; it is in force for the next seat taken."""
        self._redis.set(self._keys.limit, limit)


class TakenSeats:
    """Seats that are held now."""

    def __init__(self, pool: SeatPool, members: list[str]) -> None:
        """Made by `SeatPool.taken`."""
        self._pool = pool
        self._members = members

    def __len__(self) -> int:
        """How many there are."""
        return len(self._members)

    def keep(self, count: int) -> None:
        """Give back all but `count` of them."""
        members, self._members = self._members[count:], self._members[:count]
        if members:
            self._pool.give_back(members)


def holder() -> str:
    """Names this process for operators: `host:pid:start`."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started_at}"
