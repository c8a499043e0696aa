"""The slots at gateways that one drain holds. All its streams share them."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.limits import slots_of
from common.redis.semaphore import HeldSlots


class GatewaySlots:
    """The slots of one drain at gateways.

    A call takes its slot at the gateway after the one of its check type, and never waits for it.
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

        If Redis fails, the next drain of this process gives back those that are left.
        """
        for slots in self._held.values():
            slots.owe_all()
        for slots in self._held.values():
            slots.pool.give_back_owed()

    def reserve(self, gateway_id: int, calls: int) -> int:
        """Take slots until `calls` are held, as far as the limit allows; return how many are held."""
        slots = self._of(gateway_id)
        slots.grow_to(calls)
        if calls and not len(slots):
            # Killed workers may hold all slots. `verify` frees those, so try again.
            slots.verify()
            slots.grow_to(calls)
        return len(slots)

    def begin(self, gateway_id: int) -> bool:
        """Use an idle slot; return False if there is none. After True, `end` must follow."""
        return self._of(gateway_id).begin()

    def end(self, gateway_id: int) -> None:
        """Make a used slot idle again."""
        self._of(gateway_id).end()

    def has_any(self, gateway_id: int) -> bool:
        """Return whether a slot is held, in use or idle."""
        return len(self._of(gateway_id)) > 0

    def review(self, needed: Mapping[int, int]) -> None:
        """Forget slots that Redis has lost, and hold `needed` slots at each gateway if its limit allows."""
        held = [gateway_id for gateway_id, slots in list(self._held.items()) if len(slots)]
        for gateway_id in {*held, *needed}:
            slots = self._of(gateway_id)
            occupancy = slots.verify()
            # `free` is negative after the limit was lowered: then slots must be given back.
            wanted = min(needed.get(gateway_id, 0), len(slots) + occupancy.free)
            slots.shrink_to(wanted)
            # A claim in another thread may have added calls that `needed` does not count. The next review
            # counts them.
            slots.grow_to(wanted)

    def _of(self, gateway_id: int) -> HeldSlots:
        # Every call looks this up, so it is created only once.
        if gateway_id not in self._held:
            self._held.setdefault(gateway_id, HeldSlots(slots_of(self._redis, gateway_id)))
        return self._held[gateway_id]
