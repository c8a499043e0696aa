"""Claims cards, and loads them with what is needed to ask about them. Everything here blocks: it runs in a thread."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection
from redis import Redis

from cards.models import CheckType
from carriers.models import Gateway
from common import database
from common.redis.leases import holder
from polling import due
from polling.checks.base import Outcome, PolledCard
from polling.drain import settling
from polling.drain.directory import DIRECTORY_SECONDS, Directory
from polling.drain.gateway_seats import GatewaySeats
from polling.drain.settling import Hand
from polling.matching import CardClass, interval_for
from polling.parking import park
from polling.store.schedule import Claim, Claimed, Schedule, Settlement, Which

# A local queue of this many calls a seat: the next call never waits for Redis or PostgreSQL.
CALLS_A_SEAT = 2


@dataclass(frozen=True)
class ClosedCard:
    """A claimed card whose gateway must not be called now."""

    claim: Claim
    interval: timedelta
    opens_in: timedelta


@dataclass(frozen=True)
class Loaded:
    """Claimed cards, sorted by what can be done with them."""

    cards: list[PolledCard]
    closed: list[ClosedCard]
    # Deleted, or no longer wanting this check.
    unwanted: list[Claim]


@dataclass(frozen=True)
class Taken:
    """What a claim brought: cards to ask about, and claims that are settled without. `is_all`: claiming more now is of no use."""

    cards: list[tuple[Gateway, list[PolledCard]]]
    settlements: list[Settlement]
    is_all: bool


class Claimer:
    """Claims for one check type."""

    def __init__(
        self,
        check_type: CheckType,
        *,
        redis: Redis,
        hand: Hand,
        gateway_seats: GatewaySeats,
        call_seconds: Callable[[int], float],
        chance: Random,
    ) -> None:
        """Claims go into `hand`; `call_seconds` is how long a call to a gateway takes."""
        self._type = check_type
        self._schedule = Schedule(redis, check_type)
        self._hand = hand
        self._gateway_seats = gateway_seats
        self._call_seconds = call_seconds
        self._chance = chance
        # Gateway -> when it will have served those who were deferred (monotonic clock).
        self._served_at: dict[int, float] = {}
        self._directory: Directory | None = None
        self._read_at = 0.0

    def claim(self, calls: int, *, waiting: Mapping[int, int]) -> Taken:
        """Claim what is triggered and due, for `calls` calls; `waiting` calls there are already, per gateway."""
        directory = self._read_directory()
        count = min(settings.POLLING.batch_cards, calls * directory.smallest_batch)
        claimed = self._claim(count, Which.ANY)
        return self._load(claimed, directory, waiting, is_all=len(claimed.claims) < count)

    def claim_triggered(self, calls: int, *, waiting: Mapping[int, int]) -> Taken:
        """Claim what is triggered only."""
        directory = self._read_directory()
        claimed = self._claim(calls * directory.smallest_batch, Which.TRIGGERED)
        return self._load(claimed, directory, waiting, is_all=True)

    def claim_suspect(self) -> Taken | None:
        """Claim one card that is to be asked about alone; None when there is none."""
        directory = self._read_directory()
        claimed = self._claim(1, Which.SUSPECT)
        if not claimed.claims and not claimed.to_park:
            return None
        return self._load(claimed, directory, {}, is_all=False)

    def by_configs_in_force(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The same, with the intervals that are in force now: configs may have changed since the cards were claimed."""
        configs = self._current_directory().configs
        classes = {outcome.card.card_class for outcome in outcomes}
        intervals = {card: interval_for(card, self._type, configs) for card in classes}
        return [_at(intervals[outcome.card.card_class], outcome) for outcome in outcomes]

    def _read_directory(self) -> Directory:
        # PostgreSQL is asked before anything is claimed: during an outage no claim is lost.
        close_old_connections()
        database.now()
        return self._current_directory()

    def _current_directory(self) -> Directory:
        if self._directory is None or time.monotonic() - self._read_at > DIRECTORY_SECONDS:
            # Its age counts from before it was read.
            self._read_at, self._directory = time.monotonic(), Directory.read()
        return self._directory

    def _claim(self, count: int, which: Which) -> Claimed:
        ttl = timedelta(seconds=settings.POLLING.claim_seconds)
        return self._schedule.claim(count, ttl=ttl, holder=holder(), which=which)

    def _load(
        self, claimed: Claimed, directory: Directory, waiting: Mapping[int, int], *, is_all: bool
    ) -> Taken:
        self._hand.take(claimed.claims)
        if claimed.to_park:
            park(self._type, self._schedule, claimed.to_park)
        loaded = load(self._type, claimed.claims, directory)
        settlements = [settling.unwanted(claim) for claim in loaded.unwanted]
        settlements += [
            settling.while_closed(card.claim, card.interval, card.opens_in, self._chance)
            for card in loaded.closed
        ]
        by_gateway: dict[int, list[PolledCard]] = defaultdict(list)
        for card in loaded.cards:
            by_gateway[card.gateway_id].append(card)
        kept = []
        for gateway_id, cards in by_gateway.items():
            gateway = directory.gateways[gateway_id]
            before = waiting.get(gateway_id, 0)
            calls = -(-len(cards) // gateway.batch_size)
            seats = self._gateway_seats.reserve(gateway_id, before + calls)
            fits = max(0, min(len(cards), (seats * CALLS_A_SEAT - before) * gateway.batch_size))
            settlements += self._deferred(gateway, cards[fits:], seats)
            kept.append((gateway, cards[:fits]))
            # More of the same would only be deferred as well: wait until a call has ended.
            is_all = is_all or fits < len(cards)
        return Taken(kept, settlements, is_all)

    def _deferred(self, gateway: Gateway, cards: Sequence[PolledCard], seats: int) -> list[Settlement]:
        """Each call's worth of cards comes back when it is its turn, so that none is claimed again in vain."""
        now = time.monotonic()
        step = self._call_seconds(gateway.pk) / max(1, seats)
        turn = max(now, self._served_at.get(gateway.pk, now))
        settlements = []
        for start in range(0, len(cards), gateway.batch_size):
            turn += step
            wait = timedelta(seconds=turn - now)
            portion = cards[start : start + gateway.batch_size]
            settlements += [settling.while_busy(card, wait, self._chance) for card in portion]
        self._served_at[gateway.pk] = min(turn, now + due.LONGEST_BUSY.total_seconds())
        return settlements


def _at(interval: timedelta | None, outcome: Outcome) -> Outcome:
    # One that is not wanted any more is removed by who plans it.
    if interval is None or interval == outcome.card.interval:
        return outcome
    return replace(outcome, card=replace(outcome.card, interval=interval))


def load(check_type: CheckType, claims: Sequence[Claim], directory: Directory) -> Loaded:
    """Load `claims` in one query."""
    rows = {row[0]: row[1:] for row in _rows(check_type, [claim.card_id for claim in claims])}
    classes = {card_id: CardClass(*row[3:]) for card_id, row in rows.items()}
    # Decided once a class, not once a card: a batch has few classes.
    intervals = {card: interval_for(card, check_type, directory.configs) for card in set(classes.values())}
    loaded = Loaded([], [], [])
    for claim in claims:
        card = classes.get(claim.card_id)
        interval = intervals[card] if card else None
        if card is None or interval is None:
            loaded.unwanted.append(claim)
            continue
        iccid, gateway_id, failures = rows[claim.card_id][:3]
        gateway = directory.gateway_of(gateway_id, card.carrier_id)
        opens_in = directory.opens_in(gateway, check_type=check_type, carrier_id=card.carrier_id)
        if gateway is None or opens_in is not None:
            loaded.closed.append(ClosedCard(claim, interval, opens_in or timedelta()))
            continue
        tariff = directory.tariffs[card.carrier_id]
        loaded.cards.append(PolledCard(claim, iccid, gateway.pk, card, tariff, interval, failures or 0))
    return loaded


def _rows(check_type: CheckType, cards: Sequence[int]) -> list[tuple[Any, ...]]:
    if not cards:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT card.id, card.iccid, card.gateway_id, state.failures, card.carrier_id, card.category,
                   card.status, card.real_name_status, card.network_status, card.enable_polling
            FROM cards_card AS card
            -- The cards are named twice: else a small table is scanned whole for the join.
            LEFT JOIN cards_checkstate AS state
                ON state.card_id = card.id AND state.card_id = ANY(%(cards)s) AND state.type = %(type)s
            WHERE card.id = ANY(%(cards)s) AND card.deleted_at IS NULL
            """,
            {"type": check_type.value, "cards": list(cards)},
        )
        return list(cursor.fetchall())
