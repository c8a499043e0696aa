"""The slots at gateways that one drain holds, for all its streams together."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.limits import slots_of
from common.redis.semaphore import HeldSlots


class GatewaySlots:
    """Slots of gateways. They are taken after those of the check type, and never waited for."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._held: dict[int, HeldSlots] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all slots back. After the first outage the rest is owed, and given back by the next drain."""
        for slots in self._held.values():
            slots.owe_all()
        for slots in self._held.values():
            slots.pool.give_back_owed()

    def reserve(self, gateway_id: int, calls: int) -> int:
        """Take slots for `calls` calls, as far as the limit allows; return how many are held."""
        slots = self._of(gateway_id)
        slots.grow_to(calls)
        if calls and not len(slots):
            # Killed workers may hold them all: `verify` frees those.
            slots.verify()
            slots.grow_to(calls)
        return len(slots)

    def begin(self, gateway_id: int) -> bool:
        """Use an idle slot; False when there is none. `end` must follow."""
        return self._of(gateway_id).begin()

    def end(self, gateway_id: int) -> None:
        """Make a used slot idle again."""
        self._of(gateway_id).end()

    def has_any(self, gateway_id: int) -> bool:
        """Return whether a slot is held, in use or idle."""
        return len(self._of(gateway_id)) > 0

    def review(self, needed: Mapping[int, int]) -> None:
        """Forget slots that Redis has lost, and hold as many as are `needed` by gateway."""
        held = [gateway_id for gateway_id, slots in list(self._held.items()) if len(slots)]
        for gateway_id in {*held, *needed}:
            slots = self._of(gateway_id)
            occupancy = slots.verify()
            # `free` is negative after the limit was lowered.
            wanted = min(needed.get(gateway_id, 0), len(slots) + occupancy.free)
            slots.shrink_to(wanted)
            # A claim in another thread may have lined up more calls than were counted; the next review counts them.
            slots.grow_to(wanted)

    def _of(self, gateway_id: int) -> HeldSlots:
        # Looked up with each call, so it is made only once.
        if gateway_id not in self._held:
            self._held.setdefault(gateway_id, HeldSlots(slots_of(self._redis, gateway_id)))
        return self._held[gateway_id]
