"""Slots: at most N calls at once, over all processes, healing by themselves when a holder dies."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Final, cast

from redis import Redis
from redis.exceptions import RedisError

from common.redis import scripts, worker_identity

# A drain takes slots for at most 15 s of work, a call's deadline is 10 s, 5 s are spare: no renewal needed.
LEASE_SECONDS = 30
# Whoever was called by somebody who died may be at it for as long.
CALL_SECONDS = 10

_serial = itertools.count()
# By the key of the slots: what this process could not give back because Redis was away.
_owed: Final[dict[str, list[str]]] = defaultdict(list)


@dataclass(frozen=True)
class SlotKeys:
    """Where one limit lives: the slots themselves, the limit, and the number taken."""

    slots: str
    limit: str
    current: str


@dataclass(frozen=True)
class Occupancy:
    """A limit (None: not configured, so closed) and the names of the slots that are taken."""

    limit: int | None
    members: frozenset[str]

    @property
    def free(self) -> int:
        """Not taken. Negative when the limit has been lowered below what is taken."""
        return (self.limit or 0) - len(self.members)

    @property
    def holders(self) -> Counter[str]:
        """How many slots each holder (`host:pid:start-place`) has."""
        return Counter(_holder(member) for member in self.members)

    @cached_property
    def dead(self) -> frozenset[str]:
        """The holders that are known to have died."""
        return frozenset(one for one in self.holders if worker_identity.is_dead(one))

    @property
    def of_the_dead(self) -> frozenset[str]:
        """Their slots."""
        return frozenset(member for member in self.members if self.dead and _holder(member) in self.dead)


class SlotPool:
    """One concurrency limit.

    No limit in Redis means closed, 0 means paused. Sample of the zset of slots::

        worker-1:4242:1790000000-3fa9c1d2:7#1 -> 1790000030123   (expiry, unix ms)
    """

    def __init__(self, redis: Redis, keys: SlotKeys) -> None:
        """`keys` name one limit; pools of the same keys share it."""
        self._redis = redis
        self._keys = keys
        self._take = scripts.load(redis, __file__, "take_slots")
        self._give_back = scripts.load(redis, __file__, "give_back_slots")
        self._taken = scripts.load(redis, __file__, "slots_taken")
        self._drop_expired = scripts.load(redis, __file__, "drop_expired_slots")

    @contextmanager
    def hold(self) -> Iterator["HeldSlots"]:
        """Hold slots, none at first; what is held at the end is given back."""
        slots = HeldSlots(self)
        try:
            yield slots
        finally:
            slots.give_back_all()

    def take(self, want: int) -> list[str]:
        """Take up to `want` slots for `LEASE_SECONDS`; returns their names, to be given back."""
        keys = self._keys
        arguments = (f"{worker_identity.name()}:{next(_serial)}", want, LEASE_SECONDS * 1000)
        return cast("list[str]", self._take(keys=[keys.slots, keys.limit, keys.current], args=arguments))

    def give_back(self, members: Sequence[str]) -> int:
        """Free slots that `take` returned; returns how many are still held by anybody."""
        return cast(int, self._give_back(keys=[self._keys.slots, self._keys.current], args=members))

    def owe(self, members: Sequence[str]) -> None:
        """Nobody is at the calls of these any more; `give_back_owed` must follow."""
        _owed[self._keys.slots] += members

    def give_back_owed(self) -> None:
        """Free what this process owes, also from before Redis went away."""
        # Taken out first: two threads must not both see to it.
        if owed := _owed.pop(self._keys.slots, []):
            try:
                self.give_back(owed)
            except RedisError:
                self.owe(owed)
                raise

    def end_soon(self, members: Collection[str]) -> None:
        """Let slots of the dead end when the other side cannot be at their calls any more, if that is sooner."""
        seconds, _ = self._redis.time()
        ends_at = (seconds + CALL_SECONDS) * 1000
        self._redis.zadd(self._keys.slots, dict.fromkeys(members, ends_at), xx=True, lt=True)

    def sweep(self) -> int:
        """Drop expired slots; returns how many are held."""
        return self.give_back(())

    def drop_expired(self) -> int:
        """The same; returns how many were dropped."""
        return cast(int, self._drop_expired(keys=[self._keys.slots, self._keys.current]))

    def set_limit(self, limit: int) -> None:
        """Write the limit; it is in force for the next slot taken."""
        self._redis.set(self._keys.limit, limit)

    def occupancy(self) -> Occupancy:
        """The limit, and who holds its slots now."""
        limit, members = cast("list[Any]", self._taken(keys=[self._keys.slots, self._keys.limit]))
        return Occupancy(None if limit is None else int(limit), frozenset(members))


class HeldSlots:
    """The slots of one limit that a process holds, in use or idle. Several threads may share it."""

    def __init__(self, pool: SlotPool) -> None:
        """Made by `SlotPool.hold`."""
        self.pool = pool
        self._members: list[str] = []
        self._in_use = 0
        self._at_most = 0
        self._lock = Lock()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._members)

    def begin(self) -> bool:
        """Use an idle slot; False when there is none. `end` must follow."""
        with self._lock:
            has_idle = min(len(self._members), self._at_most) > self._in_use
            self._in_use += has_idle
        return has_idle

    def end(self) -> None:
        """The slot is idle again."""
        with self._lock:
            self._in_use -= 1

    def grow_to(self, count: int) -> None:
        """Take slots until there are `count`, as far as the limit lets."""
        missing = count - len(self)
        taken = self.pool.take(missing) if missing > 0 else []
        with self._lock:
            self._members += taken
            self._at_most = max(count, self._at_most)

    def shrink_to(self, count: int) -> None:
        """Give idle slots back until there are `count`, or none is idle; no more than `count` are begun."""
        with self._lock:
            self._at_most = count
            surplus = max(0, len(self._members) - max(count, self._in_use))
            idle, self._members = self._members[:surplus], self._members[surplus:]
        if idle:
            self.pool.owe(idle)
            self.pool.give_back_owed()

    def verify(self) -> Occupancy:
        """Look who holds slots; let those of the dead end soon, and forget those of ours that Redis has lost or whose lease is over.

        Others may have taken them. `len` tells whether there were such.
        """
        with self._lock:
            before = frozenset(self._members)
        self.pool.give_back_owed()
        occupancy = self.pool.occupancy()
        if dead := occupancy.of_the_dead:
            self.pool.end_soon(dead)
        # Those that another thread has taken meanwhile are not in question.
        lost = before - occupancy.members
        with self._lock:
            self._members = [member for member in self._members if member not in lost]
        return occupancy

    def let_go(self) -> None:
        """Owe all, also those in use. Redis hears of it from `give_back_owed`, now or when it is back."""
        with self._lock:
            members, self._members = self._members, []
        self.pool.owe(members)

    def give_back_all(self) -> None:
        """Also those in use."""
        self.let_go()
        self.pool.give_back_owed()


def _holder(member: str) -> str:
    return member.rpartition("#")[0].rpartition(":")[0]
