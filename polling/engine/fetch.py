"""Claims cards of one check type, and loads them. Everything here blocks: it runs in a thread."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from django.conf import settings
from django.db import close_old_connections
from redis import Redis

from cards.models import CheckType
from common import database
from common.redis import worker_identity
from polling.checks.base import Outcome, PolledCard
from polling.engine import disposition
from polling.engine.disposition import InFlight
from polling.engine.hydrate import Loaded, load
from polling.engine.quarantine import park
from polling.policy import census
from polling.policy.config_snapshot import SNAPSHOT_SECONDS, ConfigSnapshot
from polling.policy.matching import interval_for
from polling.schedule.schedule import Claimed, Schedule, Settlement, Which
from polling.triggers import items


@dataclass(frozen=True)
class Taken:
    """What a claim brought: cards, and claims that are settled without. `touched`: how many were claimed or parked."""

    cards: list[PolledCard]
    settlements: list[Settlement]
    claimed: int
    touched: int


class Fetcher:
    """What streams of all kinds take their cards from."""

    def __init__(self, check_type: CheckType, *, redis: Redis, in_flight: InFlight, chance: Random) -> None:
        """Claims go into `hand`."""
        self._type = check_type
        self._chance = chance
        self._schedule = Schedule(redis, check_type)
        self._in_flight = in_flight
        self._snapshot: ConfigSnapshot | None = None
        self._read_at = 0.0

    def snapshot(self) -> ConfigSnapshot:
        """The small tables. PostgreSQL is asked before anything is claimed: during an outage no claim is lost."""
        close_old_connections()
        database.now()
        return self._current_snapshot()

    def claim(self, count: int, which: Which, snapshot: ConfigSnapshot) -> Taken:
        """Claim up to `count` cards."""
        ttl = timedelta(seconds=settings.POLLING.claim_seconds)
        claimed = self._schedule.claim(count, ttl=ttl, holder=worker_identity.name(), which=which)
        self._in_flight.take(claimed.claims)
        if claimed.to_park:
            park(self._type, self._schedule, claimed.to_park)
        loaded = load(self._type, claimed.claims, snapshot)
        if loaded.classes_off:
            # What takes them out may be taken back before anybody has planned by it: then they would be missing.
            census.outdate(census.rows_of(loaded.classes_off), self._type)
        self._end_items(loaded, claimed)
        settlements = [disposition.unwanted(claim) for claim in loaded.unwanted]
        settlements += [disposition.not_asked_for(claim) for claim in loaded.not_asked_for]
        cards, paused = [], []
        for card in loaded.cards:
            paused_for = snapshot.paused_for(self._type, card.profile.carrier_id)
            if paused_for is None:
                cards.append(card)
            else:
                paused.append(card)
                settlements.append(disposition.while_closed(card, paused_for, self._chance))
        items.end(items.failed(paused, "the check is paused"))
        count = len(claimed.claims)
        return Taken(cards, settlements, count, touched=count + len(claimed.to_park))

    def by_configs_in_force(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The same, with the intervals that are in force now: configs may have changed since the cards were claimed."""
        configs = self._current_snapshot().configs
        classes = {outcome.card.profile for outcome in outcomes}
        intervals = {card: interval_for(card, self._type, configs) for card in classes}
        return [_at(intervals[outcome.card.profile], outcome) for outcome in outcomes]

    def _end_items(self, loaded: Loaded, claimed: Claimed) -> None:
        """Nobody waits for a card that will not be checked."""
        gone = dict.fromkeys(
            (claim.card_id for claim in loaded.unwanted), "the card does not want this check"
        )
        parked = [*claimed.parked, *(card.card_id for card in claimed.to_park)]
        gone |= dict.fromkeys(parked, "parked: checking it has ended its worker again and again")
        if gone:
            items.end(items.in_vain(self._type, gone))

    def _current_snapshot(self) -> ConfigSnapshot:
        if self._snapshot is None or time.monotonic() - self._read_at > SNAPSHOT_SECONDS:
            # Its age counts from before it was read.
            self._read_at, self._snapshot = time.monotonic(), ConfigSnapshot.read()
        return self._snapshot


def _at(interval: timedelta | None, outcome: Outcome) -> Outcome:
    # One that is not wanted any more is removed by who plans it.
    if interval is None or interval == outcome.card.interval:
        return outcome
    return replace(outcome, card=replace(outcome.card, interval=interval))
