"""The seats at gateways that one drain holds, for all its streams together."""

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.limits import seats_of
from common.redis.leases import HeldSeats


class GatewaySeats:
    """A gateway's seats are taken after the type's, and never waited for: without one, a card is deferred."""

    def __init__(self, redis: Redis) -> None:
        """None at first."""
        self._redis = redis
        self._held: dict[int, HeldSeats] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """What is held at the end is given back."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all seats back."""
        self._stack.close()

    def _of(self, gateway_id: int) -> HeldSeats:
        """Those of one gateway."""
        if gateway_id not in self._held:
            pool = seats_of(self._redis, gateway_id)
            self._held[gateway_id] = self._stack.enter_context(pool.hold())
        return self._held[gateway_id]

    def reserve(self, gateway_id: int, calls: int) -> int:
        """Have seats for `calls` calls, as far as the gateway's limit lets; returns how many there are."""
        seats = self._of(gateway_id)
        seats.grow_to(calls)
        return len(seats)

    def begin(self, gateway_id: int) -> bool:
        """Use an idle seat of the gateway; False when there is none. `end` must follow."""
        return self._of(gateway_id).begin()

    def end(self, gateway_id: int) -> None:
        """The seat is idle again."""
        self._of(gateway_id).end()

    def review(self, needed: Mapping[int, int]) -> None:
        """Forget what Redis has lost, and give back what is not needed; `needed` is per gateway."""
        for gateway_id, seats in list(self._held.items()):
            if len(seats):
                occupancy = seats.verify()
                # Below zero is free when the limit was lowered.
                seats.shrink_to(min(needed.get(gateway_id, 0), len(seats) + min(0, occupancy.free)))
