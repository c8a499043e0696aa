"""The local queue: hydrated cards that wait for a call. Gateways take turns, and triggered cards go first."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.engine.ask import Call
from polling.engine.throttle.throttle import Slot

# One call in this many takes scheduled cards first, so that triggered cards cannot starve them.
SCHEDULED_EVERY = 5

Admit = Callable[[int], Slot | None]


class LocalQueue:
    """The waiting cards of one stream.

    Example::

        queue.add(gateway, cards)
        if begun := queue.next(admit):
            call, slot = begun
    """

    def __init__(self) -> None:
        self._gateways: dict[int, Gateway] = {}
        self._scheduled: dict[int, deque[PolledCard]] = {}
        self._triggered: dict[int, deque[PolledCard]] = {}
        self._repeats: deque[Call] = deque()
        self._turns: deque[int] = deque()
        self._calls_taken = 0

    def add(self, gateway: Gateway, cards: Sequence[PolledCard]) -> None:
        """Add cards of `gateway`."""
        self._gateways[gateway.pk] = gateway
        if gateway.pk not in self._scheduled:
            self._scheduled[gateway.pk], self._triggered[gateway.pk] = deque(), deque()
            self._turns.append(gateway.pk)
        for card in cards:
            (self._triggered if card.claim.is_triggered else self._scheduled)[gateway.pk].append(card)

    def repeat(self, calls: Sequence[Call]) -> None:
        """Add calls whose cards must stay together.

        A call for triggered cards goes ahead of other triggered cards. Any other call goes ahead of scheduled
        cards.
        """
        self._repeats.extend(calls)

    def calls_by_gateway(self) -> dict[int, int]:
        """Return the number of waiting calls, by gateway id."""
        counts = {
            gateway: -(-(len(cards) + len(self._triggered[gateway])) // self._gateways[gateway].batch_size)
            for gateway, cards in self._scheduled.items()
        }
        for call in self._repeats:
            counts[call.gateway.pk] = counts.get(call.gateway.pk, 0) + 1
        return counts

    def triggered_calls_by_gateway(self) -> dict[int, int]:
        """Return the number of waiting calls for triggered cards, by gateway id."""
        counts = {
            gateway: -(-len(cards) // self._gateways[gateway].batch_size)
            for gateway, cards in self._triggered.items()
        }
        for call in self._repeats:
            counts[call.gateway.pk] = counts.get(call.gateway.pk, 0) + call.is_triggered
        return counts

    def calls(self) -> int:
        """Return the number of waiting calls."""
        return sum(self.calls_by_gateway().values())

    def drop(self, gateway_id: int) -> list[PolledCard]:
        """Remove all cards of a gateway and return them."""
        dropped = [*self._triggered.pop(gateway_id, ()), *self._scheduled.pop(gateway_id, ())]
        if gateway_id in self._turns:
            self._turns.remove(gateway_id)
        for call in [call for call in self._repeats if call.gateway.pk == gateway_id]:
            self._repeats.remove(call)
            dropped += call.cards
        return dropped

    def next(self, admit: Admit, *, only_triggered: bool = False) -> tuple[Call, Slot] | None:
        """Take the next call for which `admit` returns a slot. Return the call and its slot.

        Return None if no waiting call is admitted.
        """
        self._calls_taken += 1
        ways = [self._next_triggered, self._next_scheduled]
        if only_triggered:
            ways.pop()
        elif self._calls_taken % SCHEDULED_EVERY == 0:
            ways.reverse()
        return next(filter(None, (way(admit) for way in ways)), None)

    def _next_triggered(self, admit: Admit) -> tuple[Call, Slot] | None:
        return self._next_repeat(admit, is_triggered=True) or self._next_in_turn(self._triggered, admit)

    def _next_scheduled(self, admit: Admit) -> tuple[Call, Slot] | None:
        return self._next_repeat(admit, is_triggered=False) or self._next_in_turn(self._scheduled, admit)

    def _next_repeat(self, admit: Admit, *, is_triggered: bool) -> tuple[Call, Slot] | None:
        for call in self._repeats:
            if call.is_triggered is is_triggered and (slot := admit(call.gateway.pk)):
                self._repeats.remove(call)
                return call, slot
        return None

    def _next_in_turn(self, cards: Mapping[int, deque[PolledCard]], admit: Admit) -> tuple[Call, Slot] | None:
        for _ in range(len(self._turns)):
            gateway_id = self._turns[0]
            self._turns.rotate(-1)
            if cards[gateway_id] and (slot := admit(gateway_id)):
                return self._take(gateway_id, first=cards[gateway_id]), slot
        return None

    def _take(self, gateway_id: int, first: deque[PolledCard]) -> Call:
        """Make a call for the cards in `first`, and fill it up with other waiting cards of the gateway."""
        gateway, taken = self._gateways[gateway_id], list[PolledCard]()
        for cards in (first, self._triggered[gateway_id], self._scheduled[gateway_id]):
            taken += [cards.popleft() for _ in range(min(len(cards), gateway.batch_size - len(taken)))]
        return Call(gateway, taken)
