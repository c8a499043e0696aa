"""A distributed counting semaphore in Redis: at most N calls at once over all processes.

Calls hold slots. A slot is a lease: when its holder dies, the slot becomes free by itself.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, cast

from django.utils.functional import cached_property
from redis import Redis
from redis.exceptions import RedisError

from common.redis import scripts, worker_identity

# 15 s of work in a drain, 10 s until the deadline of its last call, and 5 s to spare: no renewal needed.
LEASE_SECONDS = 30
# How long the other side may go on with a call after the process that made it has died.
CALL_SECONDS = 10

_serial = itertools.count()
# Slots that this process could not give back because Redis was away, by the key of the slots.
_owed: Final[dict[str, list[str]]] = defaultdict(list)


@dataclass(frozen=True)
class SlotKeys:
    """The Redis keys of one limit: the slots, the limit, and the number of slots taken."""

    slots: str
    limit: str
    current: str


@dataclass(frozen=True)
class Occupancy:
    """A limit (None: not configured, so closed) and the members of its zset, which are the slots taken."""

    limit: int | None
    members: frozenset[str]

    @property
    def free(self) -> int:
        """How many slots are free. Negative when the limit was lowered below the number of slots taken."""
        return (self.limit or 0) - len(self.members)

    @property
    def holders(self) -> Counter[str]:
        """How many slots each holder (`host:pid:start-place`) has."""
        return Counter(_holder(member) for member in self.members)

    @cached_property
    def dead_holders(self) -> frozenset[str]:
        """Return the holders that are known to have died."""
        return frozenset(holder for holder in self.holders if worker_identity.is_dead(holder))

    @property
    def dead_members(self) -> frozenset[str]:
        """The slots of holders that are known to have died."""
        return frozenset(
            member for member in self.members if self.dead_holders and _holder(member) in self.dead_holders
        )


class SlotPool:
    """The slots of one concurrency limit; pools with the same keys share it.

    No limit in Redis means closed, 0 means paused. Sample of the zset of slots::

        worker-1:4242:1790000000-3fa9c1d2:7#1 -> 1790000030123   (expiry, unix ms)

    Example::

        with SlotPool(redis, keys).hold() as slots:
            slots.grow_to(10)
            if slots.begin():
                try:
                    call()
                finally:
                    slots.end()
    """

    def __init__(self, redis: Redis, keys: SlotKeys) -> None:
        self._redis = redis
        self._keys = keys
        self._take = scripts.load(redis, __file__, "take_slots")
        self._give_back = scripts.load(redis, __file__, "give_back_slots")
        self._taken = scripts.load(redis, __file__, "slots_taken")
        self._drop_expired = scripts.load(redis, __file__, "drop_expired_slots")

    @contextmanager
    def hold(self) -> Iterator["HeldSlots"]:
        """Yield `HeldSlots` without any slots yet; give back at the end of the block what it holds then."""
        slots = HeldSlots(self)
        try:
            yield slots
        finally:
            slots.give_back_all()

    def take(self, want: int) -> list[str]:
        """Take up to `want` slots for `LEASE_SECONDS`. Return their members, to be passed to `give_back`."""
        keys = self._keys
        arguments = (f"{worker_identity.name()}:{next(_serial)}", want, LEASE_SECONDS * 1000)
        return cast("list[str]", self._take(keys=[keys.slots, keys.limit, keys.current], args=arguments))

    def give_back(self, members: Sequence[str]) -> int:
        """Free slots that `take` returned. Return how many slots all processes still hold."""
        return cast(int, self._give_back(keys=[self._keys.slots, self._keys.current], args=members))

    def owe(self, members: Sequence[str]) -> None:
        """Note slots that no call of this process uses any more. `give_back_owed` must follow."""
        _owed[self._keys.slots] += members

    def give_back_owed(self) -> None:
        """Free all slots that this process owes, including those from before an outage of Redis."""
        # Taken out before the call, so that two threads do not give back the same slots.
        if owed := _owed.pop(self._keys.slots, []):
            try:
                self.give_back(owed)
            except RedisError:
                self.owe(owed)
                raise

    def expire_soon(self, members: Collection[str]) -> None:
        """Shorten the leases of dead holders to `CALL_SECONDS`: by then their calls have ended."""
        seconds, _ = self._redis.time()
        ends_at = (seconds + CALL_SECONDS) * 1000
        self._redis.zadd(self._keys.slots, dict.fromkeys(members, ends_at), xx=True, lt=True)

    def sweep(self) -> int:
        """Drop expired slots. Return how many slots are still held."""
        return self.give_back(())

    def drop_expired(self) -> int:
        """Drop expired slots. Return how many were dropped."""
        return cast(int, self._drop_expired(keys=[self._keys.slots, self._keys.current]))

    def set_limit(self, limit: int) -> None:
        """Write the limit. It is in force for the next slot taken."""
        self._redis.set(self._keys.limit, limit)

    def occupancy(self) -> Occupancy:
        """Return the limit and the slots that are held now."""
        limit, members = cast("list[Any]", self._taken(keys=[self._keys.slots, self._keys.limit]))
        return Occupancy(None if limit is None else int(limit), frozenset(members))


class HeldSlots:
    """The slots of one limit that a process holds, in use or idle. Several threads may share it.

    Made by `SlotPool.hold`.
    """

    def __init__(self, pool: SlotPool) -> None:
        self.pool = pool
        self._members: list[str] = []
        self._in_use = 0
        self._max_in_use = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._members)

    def begin(self) -> bool:
        """Use an idle slot; return False when no slot is idle. `end` must follow a True."""
        with self._lock:
            has_idle = min(len(self._members), self._max_in_use) > self._in_use
            self._in_use += has_idle
        return has_idle

    def end(self) -> None:
        """Make a slot in use idle again."""
        with self._lock:
            self._in_use -= 1

    def grow_to(self, count: int) -> None:
        """Take slots until `count` are held, or as many as the limit allows."""
        missing = count - len(self)
        taken = self.pool.take(missing) if missing > 0 else []
        with self._lock:
            self._members += taken
            self._max_in_use = max(count, self._max_in_use)

    def shrink_to(self, count: int) -> None:
        """Give idle slots back until `count` are held or none is idle; let `begin` use at most `count`."""
        with self._lock:
            self._max_in_use = count
            surplus = max(0, len(self._members) - max(count, self._in_use))
            idle, self._members = self._members[:surplus], self._members[surplus:]
        if idle:
            self.pool.owe(idle)
            self.pool.give_back_owed()

    def verify(self) -> Occupancy:
        """Compare with Redis, and return the occupancy.

        Slots that Redis has lost, or whose lease is over, are forgotten here, because other processes may
        have taken them: `len` may be smaller afterwards. Slots of dead holders are made to expire soon.
        """
        with self._lock:
            before = frozenset(self._members)
        self.pool.give_back_owed()
        occupancy = self.pool.occupancy()
        if dead := occupancy.dead_members:
            self.pool.expire_soon(dead)
        # Only slots held before the look can be lost: another thread may have taken more since.
        lost = before - occupancy.members
        with self._lock:
            self._members = [member for member in self._members if member not in lost]
        return occupancy

    def owe_all(self) -> None:
        """Stop holding all slots, even those in use; `give_back_owed` tells Redis, now or when it is back."""
        with self._lock:
            members, self._members = self._members, []
        self.pool.owe(members)

    def give_back_all(self) -> None:
        """Give back all slots, even those in use."""
        self.owe_all()
        self.pool.give_back_owed()


def _holder(member: str) -> str:
    return member.rpartition("#")[0].rpartition(":")[0]
