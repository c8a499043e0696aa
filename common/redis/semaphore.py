"""A distributed counting semaphore in Redis. It limits how many calls all processes together run at once.

Each call needs a slot. A process leases a slot for a limited time, so the slots of a process that died become
free again.
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

# A drain works for 15 s and its last call takes at most 10 s, so a lease never has to be renewed.
LEASE_SECONDS = 30
# A gateway may continue to work on a call for this long after the calling process has died.
CALL_SECONDS = 10

_serial = itertools.count()
# Slots that this process no longer uses but has not given back yet, perhaps because Redis does not answer.
# The keys are the Redis keys of the zsets (`SlotKeys.slots`). The values are the members to give back.
_owed: Final[dict[str, list[str]]] = defaultdict(list)


@dataclass(frozen=True)
class SlotKeys:
    """The Redis keys that belong to one limit: the slots held, the limit, and the number of slots held."""

    slots: str
    limit: str
    current: str


@dataclass(frozen=True)
class Occupancy:
    """A limit and the zset members of the slots held. If `limit` is None, no slot can be taken."""

    limit: int | None
    members: frozenset[str]

    @property
    def free(self) -> int:
        """The number of free slots. It is negative if more slots are held than a lowered limit allows."""
        return (self.limit or 0) - len(self.members)

    @property
    def holders(self) -> Counter[str]:
        """The number of slots of each holder. A holder is named `host:pid:start-place`."""
        return Counter(_holder(member) for member in self.members)

    @cached_property
    def dead_holders(self) -> frozenset[str]:
        """Return the holders that are known to have died."""
        return frozenset(holder for holder in self.holders if worker_identity.is_dead(holder))

    @property
    def dead_members(self) -> frozenset[str]:
        """The slots whose holders are known to have died."""
        return frozenset(
            member for member in self.members if self.dead_holders and _holder(member) in self.dead_holders
        )


@dataclass(frozen=True)
class Grant:
    """The zset members of slots that were taken.

    `excess` is the number of slots that all processes hold beyond the limit. It is above 0 after the limit was
    lowered, until calls have ended.
    """

    members: list[str]
    excess: int = 0


class SlotPool:
    """The slots of one concurrency limit. Pools with the same keys share the limit.

    No slot can be taken if the limit in Redis is 0 or missing. The zset of slots looks like this::

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
        """Yield a `HeldSlots` that has no slots yet. When the block ends, give back all slots that it has."""
        slots = HeldSlots(self)
        try:
            yield slots
        finally:
            slots.give_back_all()

    def take(self, want: int) -> Grant:
        """Take up to `want` slots for `LEASE_SECONDS`, and learn whether too many slots are held."""
        keys = self._keys
        arguments = (f"{worker_identity.name()}:{next(_serial)}", want, LEASE_SECONDS * 1000)
        excess, members = cast(
            "tuple[int, list[str]]", self._take(keys=[keys.slots, keys.limit, keys.current], args=arguments)
        )
        return Grant(members, excess)

    def give_back(self, members: Sequence[str]) -> int:
        """Free slots that `take` granted. Return the number of slots that all processes still hold."""
        return cast(int, self._give_back(keys=[self._keys.slots, self._keys.current], args=members))

    def owe(self, members: Sequence[str]) -> None:
        """Remember slots that this process no longer uses. Call `give_back_owed` afterwards to free them."""
        _owed[self._keys.slots] += members

    def give_back_owed(self) -> None:
        """Free all slots that `owe` remembers. If Redis does not answer, remember them for the next call."""
        # Remove the slots from `_owed` before the call, so that two threads don't give back the same slots.
        if owed := _owed.pop(self._keys.slots, []):
            try:
                self.give_back(owed)
            except RedisError:
                self.owe(owed)
                raise

    def expire_soon(self, members: Collection[str]) -> None:
        """Let slots of dead holders expire in `CALL_SECONDS`, because by then their calls have ended."""
        seconds, _ = self._redis.time()
        ends_at = (seconds + CALL_SECONDS) * 1000
        self._redis.zadd(self._keys.slots, dict.fromkeys(members, ends_at), xx=True, lt=True)

    def sweep(self) -> int:
        """Remove expired slots. Return the number of slots that are still held."""
        return self.give_back(())

    def drop_expired(self) -> int:
        """Remove expired slots. Return the number of slots that were removed."""
        return cast(int, self._drop_expired(keys=[self._keys.slots, self._keys.current]))

    def set_limit(self, limit: int) -> None:
        """Store the limit. It applies to slots that are taken from now on. Slots that are held stay held."""
        self._redis.set(self._keys.limit, limit)

    def occupancy(self) -> Occupancy:
        """Return the limit and the slots that are held now."""
        limit, members = cast("list[Any]", self._taken(keys=[self._keys.slots, self._keys.limit]))
        return Occupancy(None if limit is None else int(limit), frozenset(members))


class HeldSlots:
    """The slots of one limit that a process holds. Each slot is in use by a call or idle.

    `SlotPool.hold` creates instances. Several threads may use the same instance.
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
        """Mark an idle slot as in use and return True. Return False if no slot is idle.

        A caller that gets True must call `end` as soon as its work has ended.
        """
        with self._lock:
            has_idle = min(len(self._members), self._max_in_use) > self._in_use
            self._in_use += has_idle
        return has_idle

    def end(self) -> None:
        """Make a slot idle again after its use."""
        with self._lock:
            self._in_use -= 1

    @property
    def usable(self) -> int:
        """The number of slots that may be in use at once. It is below `len` after the limit was lowered."""
        with self._lock:
            return max(0, min(len(self._members), self._max_in_use))

    def grow_to(self, count: int) -> None:
        """Take more slots until this process may use `count`, or as many as the limit allows.

        If Redis is asked and says that all processes together hold too many, because the limit was lowered, use
        none of the excess.
        """
        if count <= self.usable:
            return
        # Ask Redis even if enough slots are held: the limit may have been lowered since they were taken.
        grant = self.pool.take(max(0, count - len(self)))
        with self._lock:
            self._members += grant.members
            if grant.excess:
                self._max_in_use = min(self._max_in_use, max(0, len(self._members) - grant.excess))
            else:
                self._max_in_use = max(self._max_in_use, min(count, len(self._members)))

    def shrink_to(self, count: int) -> None:
        """Give idle slots back until this process holds at most `count` slots.

        Slots in use are kept, so more than `count` may remain. `begin` then returns True only while fewer
        than `count` slots are in use.
        """
        with self._lock:
            self._max_in_use = count
            surplus = max(0, len(self._members) - max(count, self._in_use))
            idle, self._members = self._members[:surplus], self._members[surplus:]
        if idle:
            self.pool.owe(idle)
            self.pool.give_back_owed()

    def verify(self) -> Occupancy:
        """Compare the slots of this process with those in Redis, and return the occupancy.

        Forget slots that are lost or expired in Redis, because other processes may have taken them. `len` may
        then return less than before. Let slots of dead holders expire soon.
        """
        with self._lock:
            before = frozenset(self._members)
        self.pool.give_back_owed()
        occupancy = self.pool.occupancy()
        if dead := occupancy.dead_members:
            self.pool.expire_soon(dead)
        # Compare only slots held before Redis was read. Another thread may have taken more after the read.
        lost = before - occupancy.members
        with self._lock:
            self._members = [member for member in self._members if member not in lost]
        return occupancy

    def owe_all(self) -> None:
        """Forget all slots, even those in use, without calling Redis. Call `give_back_owed` to free them."""
        with self._lock:
            members, self._members = self._members, []
        self.pool.owe(members)

    def give_back_all(self) -> None:
        """Give back all slots, even those in use."""
        self.owe_all()
        self.pool.give_back_owed()


def _holder(member: str) -> str:
    return member.rpartition("#")[0].rpartition(":")[0]
