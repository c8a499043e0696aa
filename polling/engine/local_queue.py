"""Loaded cards that wait for a call, by gateway. Gateways take turns, so that none is always last; triggers go first."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.engine.ask import Call

# Of so many calls, one is none that was triggered.
TURNS_OF_TRIGGERS = 5


class Waiting:
    """The local queue of one stream."""

    def __init__(self) -> None:
        """Empty."""
        self._gateways: dict[int, Gateway] = {}
        self._cards: dict[int, deque[PolledCard]] = {}
        self._triggered: dict[int, deque[PolledCard]] = {}
        self._repeats: deque[Call] = deque()
        self._turns: deque[int] = deque()
        self._asked_for = 0

    def add(self, gateway: Gateway, cards: Sequence[PolledCard]) -> None:
        """Let cards of `gateway` wait."""
        self._gateways[gateway.pk] = gateway
        if gateway.pk not in self._cards:
            self._cards[gateway.pk], self._triggered[gateway.pk] = deque(), deque()
            self._turns.append(gateway.pk)
        for card in cards:
            (self._triggered if card.claim.is_triggered else self._cards)[gateway.pk].append(card)

    def repeat(self, calls: Sequence[Call]) -> None:
        """Let calls wait as they are, before all others of their kind."""
        self._repeats.extend(calls)

    def calls_by_gateway(self) -> dict[int, int]:
        """How many calls wait, per gateway."""
        counts = {
            key: -(-(len(cards) + len(self._triggered[key])) // self._gateways[key].batch_size)
            for key, cards in self._cards.items()
        }
        for call in self._repeats:
            counts[call.gateway.pk] = counts.get(call.gateway.pk, 0) + 1
        return counts

    def triggered_calls_by_gateway(self) -> dict[int, int]:
        """How many of them are for cards that were triggered, per gateway."""
        counts = {
            key: -(-len(cards) // self._gateways[key].batch_size) for key, cards in self._triggered.items()
        }
        for call in self._repeats:
            counts[call.gateway.pk] = counts.get(call.gateway.pk, 0) + call.is_triggered
        return counts

    def calls(self) -> int:
        """How many calls wait."""
        return sum(self.calls_by_gateway().values())

    def drop(self, gateway_id: int) -> list[PolledCard]:
        """Let no card of a gateway wait any longer; returns those that did."""
        dropped = [*self._triggered.pop(gateway_id, ()), *self._cards.pop(gateway_id, ())]
        if gateway_id in self._turns:
            self._turns.remove(gateway_id)
        for call in [call for call in self._repeats if call.gateway.pk == gateway_id]:
            self._repeats.remove(call)
            dropped += call.cards
        return dropped

    def next(self, take_slot: Callable[[int], bool], *, only_triggered: bool = False) -> Call | None:
        """The next call, with a slot at its gateway (by its id); None when nothing waits for a free gateway.

        Triggers go first, but every fifth call is another: a flood of them must not keep the others from being asked.
        """
        self._asked_for += 1
        ways: list[Callable[[Callable[[int], bool]], Call | None]] = [self._next_triggered, self._next_due]
        if only_triggered:
            ways.pop()
        elif self._asked_for % TURNS_OF_TRIGGERS == 0:
            ways.reverse()
        return next(filter(None, (way(take_slot) for way in ways)), None)

    def _next_triggered(self, take_slot: Callable[[int], bool]) -> Call | None:
        return self._repeat(take_slot, is_triggered=True) or self._in_turn(self._triggered, take_slot)

    def _next_due(self, take_slot: Callable[[int], bool]) -> Call | None:
        return self._repeat(take_slot, is_triggered=False) or self._in_turn(self._cards, take_slot)

    def _repeat(self, take_slot: Callable[[int], bool], *, is_triggered: bool) -> Call | None:
        for call in self._repeats:
            if call.is_triggered is is_triggered and take_slot(call.gateway.pk):
                self._repeats.remove(call)
                return call
        return None

    def _in_turn(
        self, cards: Mapping[int, deque[PolledCard]], take_slot: Callable[[int], bool]
    ) -> Call | None:
        for _ in range(len(self._turns)):
            gateway_id = self._turns[0]
            self._turns.rotate(-1)
            if cards[gateway_id] and take_slot(gateway_id):
                return self._take(gateway_id, first=cards[gateway_id])
        return None

    def _take(self, gateway_id: int, first: deque[PolledCard]) -> Call:
        """A call's worth of `first`; what is free in it goes to the others."""
        gateway, taken = self._gateways[gateway_id], list[PolledCard]()
        for cards in (first, self._triggered[gateway_id], self._cards[gateway_id]):
            taken += [cards.popleft() for _ in range(min(len(cards), gateway.batch_size - len(taken)))]
        return Call(gateway, taken)
