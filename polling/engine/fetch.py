"""Fetch cards of one check type: claim them in Redis, then hydrate them.

Everything here blocks, so it runs in a thread.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

from django.conf import settings
from django.db import close_old_connections
from redis import Redis

from cards.models import CheckType
from common import database
from common.redis import worker_identity
from polling.checks.base import Outcome, PolledCard
from polling.engine.claim_batch import ClaimBatch
from polling.engine.disposition import Disposal, Disposition, Moment, dispose_card, dispose_claim
from polling.engine.hydrate import hydrate
from polling.engine.in_flight import InFlight
from polling.engine.quarantine import park, store_unreadable
from polling.policy import census
from polling.policy.config_snapshot import SNAPSHOT_SECONDS, ConfigSnapshot
from polling.policy.matching import interval_for
from polling.schedule.schedule import Claimed, Schedule, Which
from polling.triggers import items


class Fetcher:
    """Claims and hydrates the cards of a stream. It adds all claims to `in_flight`."""

    def __init__(self, check_type: CheckType, *, redis: Redis, in_flight: InFlight, chance: Random) -> None:
        self._type = check_type
        self._chance = chance
        self._schedule = Schedule(redis, check_type)
        self._in_flight = in_flight
        self._snapshot: ConfigSnapshot | None = None
        self._read_at = 0.0

    def snapshot(self) -> ConfigSnapshot:
        """Return the current configs, gateways, tariffs and pauses.

        Call this before every claim. It raises an error if PostgreSQL is down or cannot write. Otherwise cards
        would be claimed and gateways be asked, but the answers could not be stored.
        """
        close_old_connections()
        database.require_writable()
        return self._current_snapshot()

    def claim(self, count: int, which: Which, snapshot: ConfigSnapshot) -> ClaimBatch:
        """Claim up to `count` cards and hydrate them. Cards whose check is paused go to `disposals`."""
        ttl = timedelta(seconds=settings.POLLING.claim_seconds)
        claimed = self._schedule.claim(count, ttl=ttl, holder=worker_identity.name(), which=which)
        self._in_flight.take(claimed.claims)
        if claimed.to_park:
            park(self._type, self._schedule, claimed.to_park)
        hydrated = hydrate(self._type, claimed.claims, snapshot)
        if hydrated.profiles_off:
            # Cards with these profiles leave the schedule. Mark their census rows as outdated. Otherwise
            # reconciliation would not bring the cards back if a config was switched off and on again.
            census.mark_outdated(census.rows_of(hydrated.profiles_off), self._type)
        if hydrated.unreadable:
            store_unreadable(self._type, hydrated.unreadable)
        unreadable = [dispose_claim(claim, Disposition.UNREADABLE) for claim, _ in hydrated.unreadable]
        # Dispose of these now, because a failed drain only gives back claims, and parked cards have none.
        self._in_flight.dispose([*hydrated.disposals, *unreadable, *_parked(claimed)])
        cards, paused = self._split_paused(hydrated.cards, snapshot)
        items.begin([item_id for card in cards for item_id in card.item_ids])
        granted = len(claimed.claims)
        return ClaimBatch(
            cards=cards,
            disposals=paused,
            claimed=granted,
            handled=granted + len(claimed.to_park),
        )

    def with_current_intervals(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes with current intervals, because configs may have changed since the claim."""
        configs = self._current_snapshot().configs
        profiles = {outcome.card.profile for outcome in outcomes}
        intervals = {profile: interval_for(profile, self._type, configs) for profile in profiles}
        return [_with_interval(outcome, intervals[outcome.card.profile]) for outcome in outcomes]

    def _split_paused(
        self, cards: Sequence[PolledCard], snapshot: ConfigSnapshot
    ) -> tuple[list[PolledCard], list[Disposal]]:
        runnable, paused = [], []
        for card in cards:
            paused_for = snapshot.paused_for(self._type, card.profile.carrier_id)
            if paused_for is None:
                runnable.append(card)
            else:
                paused.append(dispose_card(card, Disposition.PAUSED, Moment(self._chance, paused_for)))
        return runnable, paused

    def _current_snapshot(self) -> ConfigSnapshot:
        if self._snapshot is None or time.monotonic() - self._read_at > SNAPSHOT_SECONDS:
            # Take the time before reading, so that the snapshot is never older than `_read_at` says.
            self._read_at, self._snapshot = time.monotonic(), ConfigSnapshot.read()
        return self._snapshot


def _parked(claimed: Claimed) -> list[Disposal]:
    """Return the disposals of the cards that are parked. These cards have no claim."""
    parked = [*claimed.parked, *(card.card_id for card in claimed.to_park)]
    return [Disposal(card_id, None, Disposition.PARKED) for card_id in parked]


def _with_interval(outcome: Outcome, interval: timedelta | None) -> Outcome:
    # If the card no longer wants the check, keep its interval. Planning removes the card from the schedule.
    if interval is None or interval == outcome.card.interval:
        return outcome
    return replace(outcome, card=replace(outcome.card, interval=interval))
