"""Claims cards to ask gateways about. Everything here blocks: it runs in a thread."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from django.conf import settings

from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.engine import disposition
from polling.engine.fetch import Fetcher, Taken
from polling.engine.throttle.throttle import Room, Throttle
from polling.policy.config_snapshot import ConfigSnapshot
from polling.schedule import backoff
from polling.schedule.schedule import Settlement, Which
from polling.triggers import items

ShareOf = Callable[[int], int]
# A local queue of this many calls a slot: the next call never waits for Redis or PostgreSQL.
CALLS_PER_SLOT = 2
# Why nobody need wait for a card.
CLOSED = "its gateway is disabled or paused, or there is none"
RESTING = "its gateway does not answer, and is left alone"


@dataclass(frozen=True)
class Ahead:
    """The calls that wait already, per gateway, and how many of them were triggered."""

    calls: Mapping[int, int] = field(default_factory=dict)
    triggered: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TakenByGateway:
    """Cards to ask about, and claims that are settled without. `is_all`: claiming more now is of no use."""

    cards: list[tuple[Gateway, list[PolledCard]]]
    settlements: list[Settlement]
    is_all: bool


class Admission:
    """Claims no more than the gateways take; who is at a gateway that is closed or busy is deferred."""

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        throttle: Throttle,
        call_seconds: Callable[[int], float],
        chance: Random,
    ) -> None:
        """`call_seconds` is how long a call to a gateway takes."""
        self._fetcher = fetcher
        self._throttle = throttle
        self._call_seconds = call_seconds
        self._chance = chance
        # Gateway -> when it will have served those who were deferred (monotonic clock).
        self._served_at: dict[int, float] = {}
        self.open_gateways: frozenset[int] = frozenset()

    def claim(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> TakenByGateway:
        """Claim what is triggered and due, for `calls` calls behind those that are `ahead`.

        `share_of` is how many slots of the check type a gateway may use.
        """
        snapshot = self._fetcher.snapshot()
        count = min(settings.POLLING.batch_cards, calls * snapshot.smallest_batch)
        taken = self._fetcher.claim(count, Which.ANY, snapshot)
        return self._distribute(taken, snapshot, ahead, share_of, is_all=taken.claimed < count)

    def look_behind(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> TakenByGateway:
        """Claim for `calls` calls though as many wait: cards of other gateways than theirs may be due, too."""
        snapshot = self._fetcher.snapshot()
        count = min(settings.POLLING.batch_cards, calls * snapshot.smallest_batch)
        taken = self._fetcher.claim(count, Which.ANY, snapshot)
        return self._distribute(taken, snapshot, ahead, share_of, is_all=True)

    def claim_triggered(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> TakenByGateway:
        """Claim what is triggered only."""
        snapshot = self._fetcher.snapshot()
        taken = self._fetcher.claim(calls * snapshot.smallest_batch, Which.TRIGGERED, snapshot)
        return self._distribute(taken, snapshot, ahead, share_of, is_all=True)

    def claim_suspect(self) -> TakenByGateway | None:
        """Claim one card that is to be asked about alone; None when there is none."""
        snapshot = self._fetcher.snapshot()
        taken = self._fetcher.claim(1, Which.SUSPECT, snapshot)
        return (
            self._distribute(taken, snapshot, Ahead(), lambda _: 1, is_all=False) if taken.touched else None
        )

    def _distribute(
        self,
        taken: Taken,
        snapshot: ConfigSnapshot,
        ahead: Ahead,
        share_of: ShareOf,
        *,
        is_all: bool,
    ) -> TakenByGateway:
        settlements = list(taken.settlements)
        closed: list[PolledCard] = []
        by_gateway: dict[int, list[PolledCard]] = defaultdict(list)
        for card in taken.cards:
            gateway = snapshot.gateway_of(card.gateway_id, card.profile.carrier_id)
            opens_in = snapshot.opens_in(gateway)
            if gateway is None or opens_in is not None:
                closed.append(card)
                settlements.append(disposition.while_closed(card, opens_in or timedelta(), self._chance))
            else:
                by_gateway[gateway.pk].append(card)
        items.end(items.failed(closed, CLOSED))
        self._throttle.look(by_gateway)
        self.open_gateways = frozenset(
            one.pk
            for one in snapshot.gateways.values()
            if snapshot.opens_in(one) is None and self._throttle.rest_of(one.pk) is None
        )
        kept, has_room = [], False
        for gateway_id, cards in by_gateway.items():
            gateway = snapshot.gateways[gateway_id]
            fits, deferred = self._fitting(gateway, cards, ahead, share_of(gateway_id))
            settlements += deferred
            if fits:
                kept.append((gateway, fits))
            has_room = has_room or not deferred
        # More for gateways that are full would only be deferred as well: wait until a call has ended.
        return TakenByGateway(kept, settlements, is_all or (bool(taken.cards) and not has_room))

    def _fitting(
        self, gateway: Gateway, cards: list[PolledCard], ahead: Ahead, share: int
    ) -> tuple[list[PolledCard], list[Settlement]]:
        """The cards that may wait for a call, and the others deferred."""
        if rest := self._throttle.rest_of(gateway.pk):
            if rest.is_open:
                items.end(items.failed(cards, RESTING))
            return [], [disposition.while_resting(card, rest, self._chance) for card in cards]
        waiting = ahead.calls.get(gateway.pk, 0)
        lined_up = waiting + -(-len(cards) // gateway.batch_size)
        room = self._throttle.reserve(
            gateway, slots=min(lined_up, share), turns=min(lined_up, share * CALLS_PER_SLOT)
        )
        calls = min(room.turns, min(room.slots, share) * CALLS_PER_SLOT)
        behind_all = max(0, calls - waiting) * gateway.batch_size
        # Triggers wait behind triggers only. They come first in `cards`, as they were claimed.
        behind_triggers = max(0, calls - ahead.triggered.get(gateway.pk, 0)) * gateway.batch_size
        triggered = sum(card.claim.is_triggered for card in cards)
        fits = max(behind_all, min(triggered, behind_triggers))
        return cards[:fits], self._deferred(gateway, cards[fits:], room)

    def _deferred(self, gateway: Gateway, cards: Sequence[PolledCard], room: Room) -> list[Settlement]:
        """Each call's worth of cards comes back when it is its turn, so that none is claimed again in vain."""
        now = time.monotonic()
        step = max(room.apart, self._call_seconds(gateway.pk) / max(1, room.slots))
        turn = max(now + room.wait, self._served_at.get(gateway.pk, now))
        # A pace is known to the moment; when a call ends is not.
        defer = disposition.in_turn if room.apart else disposition.while_busy
        settlements = []
        for start in range(0, len(cards), gateway.batch_size):
            turn += step
            wait = timedelta(seconds=turn - now)
            portion = cards[start : start + gateway.batch_size]
            # Of those that were triggered, a call's worth stays in front; more would only be claimed again in vain.
            settlements += [
                disposition.given_back(card.claim)
                if card.claim.is_triggered and start == 0
                else defer(card, wait, self._chance)
                for card in portion
            ]
        self._served_at[gateway.pk] = min(turn, now + backoff.LONGEST_BUSY.total_seconds())
        return settlements
