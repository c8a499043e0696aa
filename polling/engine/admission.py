"""Claim cards, and admit as many of them as their gateways have room for.

Everything here blocks, so it runs in a thread.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from django.conf import settings

from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.engine.claim_batch import ClaimBatch
from polling.engine.disposition import Disposal, Disposition, Moment, dispose_card, dispose_rested
from polling.engine.fetch import Fetcher
from polling.engine.throttle.throttle import Capacity, Throttle
from polling.policy.config_snapshot import ConfigSnapshot
from polling.schedule import backoff
from polling.schedule.schedule import Which

ShareOf = Callable[[int], int]
# How many calls the local queue may hold for each slot. With two, a slot that becomes free has its next call
# ready and does not wait for Redis or PostgreSQL.
CALLS_PER_SLOT = 2


@dataclass(frozen=True)
class Ahead:
    """How many calls already wait in the local queue, by gateway id.

    `calls` counts all of them, and `triggered` only those for triggered cards.
    """

    calls: Mapping[int, int] = field(default_factory=dict)
    triggered: Mapping[int, int] = field(default_factory=dict)


class Admission:
    """Claims cards, admits as many of them as their gateways have room for, and defers the others.

    `call_seconds(gateway_id)` returns how long a call to that gateway takes. In the arguments of the methods,
    `calls` is how many more calls are wanted, `ahead` counts the calls that already wait, and
    `share_of(gateway_id)` returns the number of slots that calls to that gateway may use.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        throttle: Throttle,
        call_seconds: Callable[[int], float],
        chance: Random,
    ) -> None:
        self._fetcher = fetcher
        self._throttle = throttle
        self._call_seconds = call_seconds
        self._chance = chance
        # Gateway id -> monotonic time at which the gateway will have served all deferred calls.
        self._served_at: dict[int, float] = {}
        self.open_gateways: frozenset[int] = frozenset()

    def claim(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> ClaimBatch:
        """Claim triggered and due cards."""
        snapshot = self._fetcher.snapshot()
        count = min(settings.POLLING.batch_cards, calls * snapshot.smallest_batch)
        batch = self._fetcher.claim(count, Which.ANY, snapshot)
        return self._admit(batch, snapshot, ahead, share_of, is_last=batch.claimed < count)

    def claim_behind(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> ClaimBatch:
        """Claim more cards although enough calls wait, because some cards may belong to idle gateways."""
        snapshot = self._fetcher.snapshot()
        count = min(settings.POLLING.batch_cards, calls * snapshot.smallest_batch)
        batch = self._fetcher.claim(count, Which.ANY, snapshot)
        return self._admit(batch, snapshot, ahead, share_of, is_last=True)

    def claim_triggered(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> ClaimBatch:
        """Claim triggered cards only."""
        snapshot = self._fetcher.snapshot()
        batch = self._fetcher.claim(calls * snapshot.smallest_batch, Which.TRIGGERED, snapshot)
        return self._admit(batch, snapshot, ahead, share_of, is_last=True)

    def claim_suspect(self) -> ClaimBatch | None:
        """Claim one suspect, a card that must be checked alone; return None if there is none."""
        snapshot = self._fetcher.snapshot()
        batch = self._fetcher.claim(1, Which.SUSPECT, snapshot)
        if not batch.handled:
            return None
        return self._admit(batch, snapshot, Ahead(), lambda _: 1, is_last=False)

    def _admit(
        self, batch: ClaimBatch, snapshot: ConfigSnapshot, ahead: Ahead, share_of: ShareOf, *, is_last: bool
    ) -> ClaimBatch:
        disposals = list(batch.disposals)
        by_gateway: dict[int, list[PolledCard]] = defaultdict(list)
        for card in batch.cards:
            gateway = snapshot.gateway_of(card.gateway_id, card.profile.carrier_id)
            opens_in = snapshot.opens_in(gateway)
            if gateway is None or opens_in is not None:
                moment = Moment(self._chance, opens_in or timedelta())
                disposals.append(dispose_card(card, Disposition.CLOSED, moment))
            else:
                by_gateway[gateway.pk].append(card)
        self._throttle.refresh(by_gateway)
        self.open_gateways = self._open_gateways(snapshot)
        admitted, has_room = [], False
        for gateway_id, cards in by_gateway.items():
            gateway = snapshot.gateways[gateway_id]
            fitting, deferred = self._split_fitting(gateway, cards, ahead, share_of(gateway_id))
            disposals += deferred
            if fitting:
                admitted.append((gateway, fitting))
            has_room = has_room or not deferred
        # If every gateway in this batch is full, stop claiming until a call has ended, because more cards
        # would only be deferred.
        all_full = bool(batch.cards) and not has_room
        return replace(batch, cards=[], admitted=admitted, disposals=disposals, is_last=is_last or all_full)

    def _open_gateways(self, snapshot: ConfigSnapshot) -> frozenset[int]:
        return frozenset(
            gateway.pk
            for gateway in snapshot.gateways.values()
            if snapshot.opens_in(gateway) is None and self._throttle.rest_of(gateway.pk) is None
        )

    def _split_fitting(
        self, gateway: Gateway, cards: list[PolledCard], ahead: Ahead, share: int
    ) -> tuple[list[PolledCard], list[Disposal]]:
        """Return the cards of `gateway` that may wait for a call, and the disposals of the others."""
        if rest := self._throttle.rest_of(gateway.pk):
            return [], [dispose_rested(card, rest, self._chance) for card in cards]
        waiting = ahead.calls.get(gateway.pk, 0)
        lined_up = waiting + -(-len(cards) // gateway.batch_size)
        capacity = self._throttle.reserve(
            gateway, slots=min(lined_up, share), turns=min(lined_up, share * CALLS_PER_SLOT)
        )
        calls = min(capacity.turns, min(capacity.slots, share) * CALLS_PER_SLOT)
        behind_all = max(0, calls - waiting) * gateway.batch_size
        # Triggered cards wait only behind other triggered cards. They come first in `cards`, because they
        # were claimed first.
        behind_triggers = max(0, calls - ahead.triggered.get(gateway.pk, 0)) * gateway.batch_size
        triggered = sum(card.claim.is_triggered for card in cards)
        fitting = max(behind_all, min(triggered, behind_triggers))
        return cards[:fitting], self._defer(gateway, cards[fitting:], capacity)

    def _defer(self, gateway: Gateway, cards: Sequence[PolledCard], capacity: Capacity) -> list[Disposal]:
        """Defer cards, so that none is claimed again before its gateway can take it.

        The cards are divided into groups of one call each. Each group falls due when its turn comes.
        """
        now = time.monotonic()
        step = max(capacity.apart, self._call_seconds(gateway.pk) / max(1, capacity.slots))
        turn = max(now + capacity.wait, self._served_at.get(gateway.pk, now))
        # With a rate, the time of a turn is known exactly. Without a rate, it is estimated from how long
        # calls take.
        deferral = Disposition.OUT_OF_TURN if capacity.apart else Disposition.BUSY
        disposals = []
        for start in range(0, len(cards), gateway.batch_size):
            turn += step
            moment = Moment(self._chance, timedelta(seconds=turn - now))
            # Only triggered cards of the first group go back to the front of the manual queue, because the
            # gateway could not take more of them now anyway.
            disposals += [
                dispose_card(
                    card,
                    Disposition.GIVEN_BACK if card.claim.is_triggered and start == 0 else deferral,
                    moment,
                )
                for card in cards[start : start + gateway.batch_size]
            ]
        self._served_at[gateway.pk] = min(turn, now + backoff.LONGEST_BUSY.total_seconds())
        return disposals
