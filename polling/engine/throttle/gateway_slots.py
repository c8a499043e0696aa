"""The slots that one drain holds at gateways. All streams of the drain share them."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.limits import slots_of
from common.redis.semaphore import HeldSlots


class GatewaySlots:
    """The slots that one drain holds at gateways.

    A call first takes a slot of its check type. It then takes a slot at its gateway, but never waits for one.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._held: dict[int, HeldSlots] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all slots back.

        If Redis fails, a later drain of this process gives back the remaining slots.
        """
        for slots in self._held.values():
            slots.owe_all()
        for slots in self._held.values():
            slots.pool.give_back_owed()

    def reserve(self, gateway_id: int, calls: int) -> int:
        """Take slots until `calls` slots are held, as far as the limit allows; return how many may be in use."""
        slots = self._of(gateway_id)
        slots.grow_to(calls)
        if calls and not len(slots):
            # Try again after `verify`, which gives back slots that this process could not give back earlier,
            # and lets slots of killed workers expire soon.
            slots.verify()
            slots.grow_to(calls)
        return slots.usable

    def begin(self, gateway_id: int) -> bool:
        """Use an idle slot; return False if there is none. If it returns True, `end` must follow."""
        return self._of(gateway_id).begin()

    def end(self, gateway_id: int) -> None:
        """Make a used slot idle again."""
        self._of(gateway_id).end()

    def has_any(self, gateway_id: int) -> bool:
        """Return whether a slot is held, in use or idle."""
        return len(self._of(gateway_id)) > 0

    def review(self, needed: Mapping[int, int]) -> None:
        """Forget slots that Redis has lost. Then adjust the number of slots held at each gateway.

        `needed` contains the number wanted, by gateway id. Fewer are held if the limit of a gateway is lower.
        """
        held = [gateway_id for gateway_id, slots in list(self._held.items()) if len(slots)]
        for gateway_id in {*held, *needed}:
            slots = self._of(gateway_id)
            occupancy = slots.verify()
            # If the limit was lowered below the number of slots held, `free` is negative, and some slots must
            # be given back.
            wanted = min(needed.get(gateway_id, 0), len(slots) + occupancy.free)
            slots.shrink_to(wanted)
            # A claim in another thread may have added calls that `needed` does not count. The next review
            # counts them.
            slots.grow_to(wanted)

    def _of(self, gateway_id: int) -> HeldSlots:
        # Create the HeldSlots of a gateway only once, because every call looks them up.
        if gateway_id not in self._held:
            self._held.setdefault(gateway_id, HeldSlots(slots_of(self._redis, gateway_id)))
        return self._held[gateway_id]
