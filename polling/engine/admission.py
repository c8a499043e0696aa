"""Claim cards, and admit as many to calls as their gateways have room for.

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
# The number of calls that the local queue holds for each slot. With two, the next call never waits for Redis
# or PostgreSQL.
CALLS_PER_SLOT = 2


@dataclass(frozen=True)
class Ahead:
    """The calls that already wait in the local queue, by gateway id.

    `calls` counts all of them, and `triggered` only those for triggered cards.
    """

    calls: Mapping[int, int] = field(default_factory=dict)
    triggered: Mapping[int, int] = field(default_factory=dict)


class Admission:
    """Claims no more cards than gateways can take, and defers the cards of a closed or busy gateway.

    `call_seconds` returns how long a call to a gateway takes, by its id. The claiming methods take three
    arguments: `calls` is how many more calls are wanted, `ahead` has the calls that already wait, and
    `share_of` returns how many slots a gateway may use, by its id.
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
        # Gateway id -> when the gateway will have served the deferred calls (monotonic clock).
        self._served_at: dict[int, float] = {}
        self.open_gateways: frozenset[int] = frozenset()

    def claim(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> ClaimBatch:
        """Claim triggered and due cards."""
        snapshot = self._fetcher.snapshot()
        count = min(settings.POLLING.batch_cards, calls * snapshot.smallest_batch)
        batch = self._fetcher.claim(count, Which.ANY, snapshot)
        return self._admit(batch, snapshot, ahead, share_of, is_last=batch.claimed < count)

    def claim_behind(self, calls: int, *, ahead: Ahead, share_of: ShareOf) -> ClaimBatch:
        """Claim cards although enough calls wait, because cards of other gateways may be due as well."""
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
        # If every gateway is full, stop claiming until a call has ended, because more cards would only be
        # deferred.
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
        """Return the cards that may wait for a call, and the disposals of the others."""
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
        """Defer cards, one call's worth after another, each until its turn. So none is claimed too early."""
        now = time.monotonic()
        step = max(capacity.apart, self._call_seconds(gateway.pk) / max(1, capacity.slots))
        turn = max(now + capacity.wait, self._served_at.get(gateway.pk, now))
        # With a rate, the moment of a turn is known exactly. Without one, it is estimated from the duration
        # of calls.
        deferral = Disposition.OUT_OF_TURN if capacity.apart else Disposition.BUSY
        disposals = []
        for start in range(0, len(cards), gateway.batch_size):
            turn += step
            moment = Moment(self._chance, timedelta(seconds=turn - now))
            # Only the first call's worth of triggered cards goes back to the front, because more could not
            # run anyway.
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
