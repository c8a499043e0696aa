"""The slots at gateways that one drain holds, for all its streams together."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.limits import slots_of
from common.redis.semaphore import HeldSlots


class GatewaySlots:
    """A gateway's slots are taken after the type's, and never waited for: without one, a card is deferred."""

    def __init__(self, redis: Redis) -> None:
        """None at first."""
        self._redis = redis
        self._held: dict[int, HeldSlots] = {}

    def __enter__(self) -> Self:
        """What is held at the end is given back."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all slots back. The first outage ends it: what is owed then is given back by the next drain."""
        for slots in self._held.values():
            slots.let_go()
        for slots in self._held.values():
            slots.pool.give_back_owed()

    def reserve(self, gateway_id: int, calls: int) -> int:
        """Have slots for `calls` calls, as far as the gateway's limit lets; returns how many there are."""
        slots = self._of(gateway_id)
        slots.grow_to(calls)
        if calls and not len(slots):
            # Perhaps the dead have them.
            slots.verify()
            slots.grow_to(calls)
        return len(slots)

    def begin(self, gateway_id: int) -> bool:
        """Use an idle slot of the gateway; False when there is none. `end` must follow."""
        return self._of(gateway_id).begin()

    def end(self, gateway_id: int) -> None:
        """The slot is idle again."""
        self._of(gateway_id).end()

    def has_any(self, gateway_id: int) -> bool:
        """Whether there is a slot, in use or idle."""
        return len(self._of(gateway_id)) > 0

    def review(self, needed: Mapping[int, int]) -> None:
        """Forget what Redis has lost, and hold as many as are `needed` (per gateway), as far as the limits let."""
        held = [gateway_id for gateway_id, slots in list(self._held.items()) if len(slots)]
        for gateway_id in {*held, *needed}:
            slots = self._of(gateway_id)
            occupancy = slots.verify()
            # Below zero is free when the limit was lowered.
            wanted = min(needed.get(gateway_id, 0), len(slots) + occupancy.free)
            slots.shrink_to(wanted)
            # A claim that went on meanwhile may have lined up more than was counted: next time it is.
            slots.grow_to(wanted)

    def _of(self, gateway_id: int) -> HeldSlots:
        # Asked for with each call, so it is made only once.
        if gateway_id not in self._held:
            self._held.setdefault(gateway_id, HeldSlots(slots_of(self._redis, gateway_id)))
        return self._held[gateway_id]
