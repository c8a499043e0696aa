"""The limits on a drain's calls to gateways: breakers, rates and slots.

All streams of the drain share them.
"""

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from threading import Lock
from types import TracebackType
from typing import Self

from redis import Redis

from carriers.breakers import Breakers, Rest, Tally
from carriers.gateway_calls import GatewayCalls
from carriers.limits import rate_of
from carriers.models import Gateway
from polling.engine.throttle.gateway_slots import GatewaySlots
from polling.engine.throttle.rate_pacer import RatePacer

# A gateway that has answered within this time is known to work, also to a drain that has called it once.
ANSWERS_COUNT_SECONDS = 600


@dataclass(frozen=True)
class Capacity:
    """The turns and slots that a drain holds at a gateway.

    `wait` is the number of seconds until the first unreserved turn, and `apart` the number of seconds between
    two turns. Both are 0 if the gateway has no rate.
    """

    turns: int
    slots: int
    wait: float
    apart: float


class Deferral(Enum):
    """Why a call may not begin now."""

    RESTING = "the gateway rests, or its breaker is open"
    NO_SLOT = "all slots are in use"
    NO_TURN = "its next turn is still to come"


class Slot:
    """The right to make one call to a gateway. Call `release` when the call has ended."""

    def __init__(self, slots: GatewaySlots, gateway_id: int) -> None:
        self._slots = slots
        self._gateway_id = gateway_id

    def release(self) -> None:
        """Make the slot idle again."""
        self._slots.end(self._gateway_id)


class Throttle:
    """Decides whether a call to a gateway may begin.

    It never makes a call wait: a call whose gateway is throttled is deferred, so that other gateways proceed.
    Methods marked "Blocks" run in a thread, and the others in the event loop. Until the first `refresh`, no
    gateway counts as resting.

    Example::

        with Throttle(redis) as throttle:
            throttle.reserve(gateway, slots=4, turns=8)
            if isinstance(slot := throttle.admit(gateway.pk), Slot):
                ...
                slot.release()
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._breakers = Breakers(redis)
        self._slots = GatewaySlots(redis)
        self._pacers: dict[int, RatePacer] = {}
        # Gateway id -> its rest, and the monotonic time at which the rest ends.
        self._rests: dict[int, tuple[Rest, float]] = {}
        self._tallies: dict[int, Tally] = {}
        self._failures: dict[int, Counter[str]] = {}
        self._calls = GatewayCalls(redis)
        # Gateway id -> calls that have failed in a row, for gateways that answered shortly before this drain.
        self._failed_before: dict[int, int] = {}
        # Gateway id -> cards. A call about each of these cards alone has failed, in this drain or before it.
        self._doubted: dict[int, set[int]] = {}
        self._blamed: dict[int, frozenset[int]] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._slots.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the breakers about the last calls, and give the slots back."""
        try:
            self.refresh(())
        finally:
            self._slots.__exit__(kind, error, trace)

    def refresh(self, gateways: Collection[int]) -> None:
        """Tell the breakers about ended calls, and read whether these gateways must rest. Blocks."""
        with self._lock:
            tallies, self._tallies = self._tallies, {}
            failures, self._failures = self._failures, {}
            doubted, self._doubted = self._doubted, {}
        reported = {gateway_id: Tally() for gateway_id in gateways} | tallies
        rests = self._breakers.report(reported)
        now = time.monotonic()
        for gateway_id in reported:
            if gateway_id in rests:
                rest = rests[gateway_id]
                self._rests[gateway_id] = (rest, now + rest.left.total_seconds())
            else:
                self._rests.pop(gateway_id, None)
        for gateway_id, tally in tallies.items():
            self._calls.add(gateway_id, answered=tally.answered, failures=failures.get(gateway_id, {}))

        for gateway_id, cards in doubted.items():
            self._calls.doubt(gateway_id, cards)

    def read_calls(self, gateways: Collection[int]) -> None:
        """Read how the last calls to these gateways have ended, by this drain or others. Blocks."""
        seconds, _ = self._redis.time()
        records = self._calls.read(gateways)
        self._blamed = {gateway_id: record.blamed for gateway_id, record in records.items()}
        self._failed_before = {
            gateway_id: record.failed_in_a_row
            for gateway_id, record in records.items()
            if record.answered_at is not None and seconds - record.answered_at < ANSWERS_COUNT_SECONDS
        }

    def failed_before(self, gateway_id: int) -> int | None:
        """Return how many calls had failed since the gateway's last answer when the drain began.

        Return None if the gateway had not answered for a long time.
        """
        return self._failed_before.get(gateway_id)

    def is_blamed(self, gateway_id: int, card_id: int) -> bool:
        """Return whether the card is the cause if its call fails alone again.

        That is so if it failed alone before this drain, and the gateway has answered other calls since.
        """
        return card_id in self._blamed.get(gateway_id, ())

    def doubt(self, gateway_id: int, card_id: int) -> None:
        """Note that a call about this card alone has failed. The next `refresh` writes it."""
        with self._lock:
            self._doubted.setdefault(gateway_id, set()).add(card_id)

    def rest_of(self, gateway_id: int) -> Rest | None:
        """Return the gateway's rest, during which it gets no calls; None if calls may go out now."""
        rest, ends_at = self._rests.get(gateway_id, (None, 0.0))
        if rest is None:
            return None
        left = ends_at - time.monotonic()
        # An open breaker does not close when its time is up. Only a trial call closes it.
        if left <= 0 and not rest.is_open:
            return None
        return replace(rest, left=timedelta(seconds=max(0.0, left)))

    def trials_due(self) -> list[int]:
        """Return the ids of gateways whose trial call is due, according to the last read of the breakers."""
        now = time.monotonic()
        return [
            gateway_id
            for gateway_id, (rest, ends_at) in list(self._rests.items())
            if rest.is_open and ends_at <= now
        ]

    def begin_trial(self, gateway_id: int) -> bool:
        """Take a slot and the right to make the gateway's trial call; return whether both were free. Blocks.

        If it returns True, `end_trial` must follow.
        """
        if not (self._slots.reserve(gateway_id, 1) and self._slots.begin(gateway_id)):
            return False
        if self._breakers.take_trial(gateway_id):
            return True
        self._slots.end(gateway_id)
        return False

    def end_trial(self, gateway_id: int, *, has_answered: bool, rest: timedelta, trouble: str) -> None:
        """Report the ended trial call, and the rest that the gateway asked for (Retry-After). Blocks.

        `trouble` is why the call failed; empty if it was answered or not made.
        """
        self._slots.end(gateway_id)
        if has_answered or trouble:
            self._calls.add(gateway_id, answered=int(has_answered), failures={trouble: 1} if trouble else {})
        self._breakers.end_trial(gateway_id, has_answered=has_answered, rest=rest)
        self.refresh([gateway_id])

    def record_call(self, gateway_id: int, tally: Tally, *, trouble: str = "") -> None:
        """Add an ended call to those that the next `refresh` reports. `trouble` is why it failed."""
        with self._lock:
            if tally.failed:
                self._failures.setdefault(gateway_id, Counter())[trouble] += tally.failed
            before = self._tallies.get(gateway_id, Tally())
            self._tallies[gateway_id] = Tally(
                before.answered + tally.answered, before.failed + tally.failed, max(before.hold, tally.hold)
            )

    def reserve(self, gateway: Gateway, *, slots: int, turns: int) -> Capacity:
        """Reserve slots and turns at the gateway, as far as its limits allow. Blocks."""
        held = self._slots.reserve(gateway.pk, slots)
        if gateway.calls_per_second is None:
            self._pacers.pop(gateway.pk, None)
            return Capacity(turns, held, 0.0, 0.0)
        pacer = self._pacers.get(gateway.pk)
        if pacer is None or pacer.per_second != gateway.calls_per_second:
            rate = rate_of(self._redis, gateway.pk)
            pacer = self._pacers[gateway.pk] = RatePacer(rate, per_second=gateway.calls_per_second)
        reserved = pacer.reserve(turns)
        return Capacity(reserved.count, held, reserved.next_free, reserved.apart)

    def admit(self, gateway_id: int) -> Slot | Deferral:
        """Return a slot if a call to the gateway may begin now, otherwise the reason why not.

        The caller must release the slot.
        """
        if self.rest_of(gateway_id):
            return Deferral.RESTING
        if not self._slots.begin(gateway_id):
            return Deferral.NO_SLOT
        pacer = self._pacers.get(gateway_id)
        if pacer is None or pacer.take():
            return Slot(self._slots, gateway_id)
        self._slots.end(gateway_id)
        return Deferral.NO_TURN

    def turn_in(self, gateways: Collection[int]) -> float | None:
        """Return the seconds until the next future turn at any of these gateways; None if there is none."""
        waits = [self._pacers[gateway].due_in() for gateway in gateways if gateway in self._pacers]
        # Ignore turns that are due now. Their calls wait only for a slot, and begin when another call frees
        # one.
        return min((wait for wait in waits if wait), default=None)

    def has_slot(self, gateway_id: int) -> bool:
        """Return whether the drain holds a slot at the gateway, in use or idle."""
        return self._slots.has_any(gateway_id)

    def review(self, slots: Mapping[int, int], waiting: Mapping[int, int]) -> None:
        """Adjust the number of slots held at each gateway, and reserve turns for its waiting calls. Blocks.

        `slots` and `waiting` contain the numbers of slots needed and of waiting calls, by gateway id.
        """
        self.refresh({*slots, *self._rests})
        self._slots.review(slots)
        for gateway_id, pacer in list(self._pacers.items()):
            if gateway_id in waiting:
                pacer.reserve(waiting[gateway_id])
