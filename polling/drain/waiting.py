"""Loaded cards that wait for a call, by gateway. Gateways take turns, so that none is always last."""

from collections import deque
from collections.abc import Callable, Sequence

from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.drain.asking import Call


class Waiting:
    """The local queue of one stream."""

    def __init__(self) -> None:
        """Empty."""
        self._gateways: dict[int, Gateway] = {}
        self._cards: dict[int, deque[PolledCard]] = {}
        self._repeats: deque[Call] = deque()
        self._turns: deque[int] = deque()

    def add(self, gateway: Gateway, cards: Sequence[PolledCard], *, in_front: bool = False) -> None:
        """Let cards of `gateway` wait; those that were triggered by hand `in_front`."""
        self._gateways[gateway.pk] = gateway
        if gateway.pk not in self._cards:
            self._cards[gateway.pk] = deque()
            self._turns.append(gateway.pk)
        if in_front:
            self._cards[gateway.pk].extendleft(reversed(cards))
        else:
            self._cards[gateway.pk].extend(cards)

    def repeat(self, calls: Sequence[Call]) -> None:
        """Let calls wait as they are, before all others."""
        self._repeats.extend(calls)

    def calls_by_gateway(self) -> dict[int, int]:
        """How many calls wait, per gateway."""
        counts = {key: -(-len(cards) // self._gateways[key].batch_size) for key, cards in self._cards.items()}
        for call in self._repeats:
            counts[call.gateway.pk] = counts.get(call.gateway.pk, 0) + 1
        return counts

    def calls(self) -> int:
        """How many calls wait."""
        return sum(self.calls_by_gateway().values())

    def drop(self, gateway_id: int) -> list[PolledCard]:
        """Let no card of a gateway wait any longer; returns those that did."""
        dropped = list(self._cards.pop(gateway_id, ()))
        if gateway_id in self._turns:
            self._turns.remove(gateway_id)
        for call in [call for call in self._repeats if call.gateway.pk == gateway_id]:
            self._repeats.remove(call)
            dropped += call.cards
        return dropped

    def next(self, take_seat: Callable[[int], bool]) -> Call | None:
        """The next call, with a seat at its gateway (by its id); None when nothing waits for a free gateway."""
        for call in self._repeats:
            if take_seat(call.gateway.pk):
                self._repeats.remove(call)
                return call
        for _ in range(len(self._turns)):
            gateway_id = self._turns[0]
            self._turns.rotate(-1)
            if self._cards[gateway_id] and take_seat(gateway_id):
                return self._take(gateway_id)
        return None

    def _take(self, gateway_id: int) -> Call:
        gateway, cards = self._gateways[gateway_id], self._cards[gateway_id]
        return Call(gateway, [cards.popleft() for _ in range(min(len(cards), gateway.batch_size))])
