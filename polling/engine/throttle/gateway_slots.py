"""The seats at gateways that one drain holds, for all its streams together."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.limits import seats_of
from common.redis.semaphore import HeldSeats


class GatewaySeats:
    """A gateway's seats are taken after the type's, and never waited for: without one, a card is deferred."""

    def __init__(self, redis: Redis) -> None:
        """None at first."""
        self._redis = redis
        self._held: dict[int, HeldSeats] = {}

    def __enter__(self) -> Self:
        """What is held at the end is given back."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all seats back. The first outage ends it: what is owed then is given back by the next drain."""
        for seats in self._held.values():
            seats.let_go()
        for seats in self._held.values():
            seats.pool.give_back_owed()

    def reserve(self, gateway_id: int, calls: int) -> int:
        """Have seats for `calls` calls, as far as the gateway's limit lets; returns how many there are."""
        seats = self._of(gateway_id)
        seats.grow_to(calls)
        if calls and not len(seats):
            # Perhaps the dead have them.
            seats.verify()
            seats.grow_to(calls)
        return len(seats)

    def begin(self, gateway_id: int) -> bool:
        """Use an idle seat of the gateway; False when there is none. `end` must follow."""
        return self._of(gateway_id).begin()

    def end(self, gateway_id: int) -> None:
        """The seat is idle again."""
        self._of(gateway_id).end()

    def has_any(self, gateway_id: int) -> bool:
        """Whether there is a seat, in use or idle."""
        return len(self._of(gateway_id)) > 0

    def review(self, needed: Mapping[int, int]) -> None:
        """Forget what Redis has lost, and hold as many as are `needed` (per gateway), as far as the limits let."""
        held = [gateway_id for gateway_id, seats in list(self._held.items()) if len(seats)]
        for gateway_id in {*held, *needed}:
            seats = self._of(gateway_id)
            occupancy = seats.verify()
            # Below zero is free when the limit was lowered.
            wanted = min(needed.get(gateway_id, 0), len(seats) + occupancy.free)
            seats.shrink_to(wanted)
            # A claim that went on meanwhile may have lined up more than was counted: next time it is.
            seats.grow_to(wanted)

    def _of(self, gateway_id: int) -> HeldSeats:
        # Asked for with each call, so it is made only once.
        if gateway_id not in self._held:
            self._held.setdefault(gateway_id, HeldSeats(seats_of(self._redis, gateway_id)))
        return self._held[gateway_id]
