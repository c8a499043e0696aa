"""What stands between a drain and its gateways, for all its streams together: breakers, rates and slots."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.breakers import Breakers, Rest, Tally
from carriers.limits import rate_of
from carriers.models import Gateway
from polling.engine.throttle.gateway_slots import GatewaySlots
from polling.engine.throttle.rate_pacer import RatePacer


@dataclass(frozen=True)
class Room:
    """What there is at a gateway; the next turns are `wait` away, and `apart` (seconds)."""

    turns: int
    slots: int
    wait: float
    apart: float


class Throttle:
    """Nobody waits at a gate while others could pass: who finds it closed is deferred.

    What is said to block is for a thread; the rest is for the event loop.
    """

    def __init__(self, redis: Redis) -> None:
        """All are taken for open until the first look."""
        self._redis = redis
        self._breakers = Breakers(redis)
        self._slots = GatewaySlots(redis)
        self._paces: dict[int, RatePacer] = {}
        # Gateway -> what is left, and until when that was (monotonic clock).
        self._rests: dict[int, tuple[Rest, float]] = {}
        self._tallies: dict[int, Tally] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        """What is held at the end is given back."""
        self._slots.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the slots back, and tell what the last calls came to."""
        try:
            self.look(())
        finally:
            self._slots.__exit__(kind, error, trace)

    def look(self, gateways: Collection[int]) -> None:
        """Tell the breakers what came of calls, and hear how these gateways do. Blocks."""
        with self._lock:
            tallies, self._tallies = self._tallies, {}
        asked = {gateway_id: Tally() for gateway_id in gateways} | tallies
        rests = self._breakers.report(asked)
        now = time.monotonic()
        for gateway_id in asked:
            if gateway_id in rests:
                rest = rests[gateway_id]
                self._rests[gateway_id] = (rest, now + rest.left.total_seconds())
            else:
                self._rests.pop(gateway_id, None)

    def rest_of(self, gateway_id: int) -> Rest | None:
        """For how long no call may go out; None: they may."""
        rest, ends_at = self._rests.get(gateway_id, (None, 0.0))
        if rest is None:
            return None
        left = ends_at - time.monotonic()
        # An open breaker is not closed by time, but by a probe.
        if left <= 0 and not rest.is_open:
            return None
        return replace(rest, left=timedelta(seconds=max(0.0, left)))

    def trials_due(self) -> list[int]:
        """The gateways whose breakers are open, as was last heard, and may be probed."""
        now = time.monotonic()
        return [one for one, (rest, ends_at) in list(self._rests.items()) if rest.is_open and ends_at <= now]

    def begin_trial(self, gateway_id: int) -> bool:
        """Whether this drain is to probe the gateway, on a slot; then `end_trial` must follow. Blocks."""
        if not (self._slots.reserve(gateway_id, 1) and self._slots.begin(gateway_id)):
            return False
        if self._breakers.take_trial(gateway_id):
            return True
        self._slots.end(gateway_id)
        return False

    def end_trial(self, gateway_id: int, *, has_answered: bool, rest: timedelta) -> None:
        """Say what came of a probe, and for how long the gateway asked to be left alone. Blocks."""
        self._slots.end(gateway_id)
        self._breakers.end_trial(gateway_id, has_answered=has_answered, rest=rest)
        self.look([gateway_id])

    def tell(self, gateway_id: int, tally: Tally) -> None:
        """A call has come to its end: the next look tells the breakers."""
        with self._lock:
            before = self._tallies.get(gateway_id, Tally())
            self._tallies[gateway_id] = Tally(
                before.answered + tally.answered, before.failed + tally.failed, max(before.hold, tally.hold)
            )

    def reserve(self, gateway: Gateway, *, slots: int, turns: int) -> Room:
        """Have so many slots and turns at the gateway, as far as its limits let. Blocks."""
        held = self._slots.reserve(gateway.pk, slots)
        if gateway.calls_per_second is None:
            self._paces.pop(gateway.pk, None)
            return Room(turns, held, 0.0, 0.0)
        pace = self._paces.get(gateway.pk)
        if pace is None or pace.per_second != gateway.calls_per_second:
            rate = rate_of(self._redis, gateway.pk)
            pace = self._paces[gateway.pk] = RatePacer(rate, per_second=gateway.calls_per_second)
        reserved = pace.reserve(turns)
        return Room(reserved.count, held, reserved.next_free, reserved.apart)

    def begin(self, gateway_id: int) -> bool:
        """Use an idle slot of the gateway, in its turn; False when there is none. `end` must follow."""
        if self.rest_of(gateway_id):
            return False
        if not self._slots.begin(gateway_id):
            return False
        pace = self._paces.get(gateway_id)
        if pace is None or pace.take():
            return True
        self._slots.end(gateway_id)
        return False

    def end(self, gateway_id: int) -> None:
        """The slot is idle again."""
        self._slots.end(gateway_id)

    def turn_in(self, gateways: Collection[int]) -> float | None:
        """Seconds until the next turn at any of these gateways; None: none is to come."""
        waits = [self._paces[one].due_in() for one in gateways if one in self._paces]
        # A turn that is due now waits for a slot: the end of a call brings that.
        return min((wait for wait in waits if wait), default=None)

    def has_slot(self, gateway_id: int) -> bool:
        """Whether there is a slot, in use or idle."""
        return self._slots.has_any(gateway_id)

    def review(self, slots: Mapping[int, int], waiting: Mapping[int, int]) -> None:
        """Hold so many slots, and turns for the calls that wait; look how the gateways do. Blocks."""
        self.look({*slots, *self._rests})
        self._slots.review(slots)
        for gateway_id, pace in list(self._paces.items()):
            if gateway_id in waiting:
                pace.reserve(waiting[gateway_id])
