"""Keeps the engine supplied with work, because a rate is only meaningful while work is left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cards.models import CheckType
from lab.benchmark.rates import Done, Shift, Window
from lab.benchmark.run import Run
from polling.schedule import keys
from polling.schedule.schedule import Schedule

TICK_SECONDS = 0.1
# When fewer than LOW_WATER due cards are left, CHUNK more cards are made due. That is enough until the next
# tick, because even the fastest check type takes about half a second for CHUNK cards.
CHUNK = 20_000
LOW_WATER = 20_000
# In a small fleet, more cards are made due when fewer than this share of all scheduled cards are due.
LOW_SHARE = 0.75
# Sets meters back by 45 minutes and 1 MB. A card's next reading is then newer and larger than the stored
# reading, so recording it costs as much as in normal operation.
UNREAD_METERS = """
    WITH unread AS (
        UPDATE cards_cardusage SET measured_at = measured_at - interval '45 minutes',
                                   raw_mb = greatest(0, raw_mb - 1), used_mb = greatest(0, used_mb - 1)
        WHERE card_id = ANY('{{{cards}}}') RETURNING card_id
    )
    SELECT count(*) FROM unread
"""
# Sets check states back by 45 minutes. A row keeps only the time of a card's last good answer, so the query
# returns the times that it overwrites. Otherwise these answers would not be counted.
UNREAD_STATES = """
    WITH answered AS (
        SELECT id, checked_at FROM cards_checkstate
        WHERE type = '{check_type}' AND checked_at >= '{since}' AND card_id = ANY('{{{cards}}}')
    ), unread AS (
        UPDATE cards_checkstate AS state SET checked_at = state.checked_at - interval '45 minutes'
        FROM answered WHERE state.id = answered.id RETURNING answered.checked_at
    )
    SELECT checked_at, count(*) FROM unread GROUP BY checked_at
"""


class Supply(Protocol):
    """The work for one measurement. The work has run out when fewer than `floor` pieces are left."""

    floor: int

    def top_up(self) -> int:
        """Add work if little is left and more exists. Return how many pieces were left just before."""


@dataclass
class DueCards:
    """The due cards of one check type. When few are left, the cards that would fall due next are made due.

    The supply has run out when fewer than `floor` cards are due. More cards are made due when fewer than
    `low_water` are left. The last `reserved` cards of the queue are never made due. If `is_unread`, the rows
    of cards are set back by 45 minutes before the cards are made due, so that a card's second check costs as
    much as its first check. Example::

        supply = DueCards(run, CheckType.DATA_USAGE)
        supply.stock(50_000)
        shift = keep_busy(run, supply, seconds=20)
        rate = shift.rate(supply.recorded())
    """

    run: Run
    check_type: CheckType
    floor: int = 1
    low_water: int = LOW_WATER
    reserved: int = 0
    is_unread: bool = True
    _since: datetime = field(init=False)
    _overwritten: list[tuple[datetime, int]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._since = self.run.now()
        self._queue = keys.queue(self.check_type.value)
        self._schedule = Schedule(self.run.stack.redis, self.check_type.value)

    def left(self) -> int:
        """Return the number of cards that are due and not claimed."""
        return int(self.run.stack.redis.zcount(self._queue, "-inf", self._now()))

    def stock(self, count: int) -> None:
        """Make cards due until `count` cards are due or no more cards can be made due.

        Call it before the measurement begins, because it takes several seconds.
        """
        while self.left() < count and (cards := self._next_cards()):
            self._make_due(cards)

    def top_up(self) -> int:
        """Make a chunk of cards due if few due cards are left. Return how many were due just before."""
        scheduled = int(self.run.stack.redis.zcard(self._queue))
        left = self.left()
        if left >= min(self.low_water, scheduled * LOW_SHARE):
            return left
        return self._make_due(self._next_cards())

    def recorded(self) -> Done:
        """Return pairs of a time and the number of cards that were answered at that time.

        Only answers since the creation of this supply are included. Unlike `Run.recorded`, this method counts
        repeated checks of a card.
        """
        return [*self._overwritten, *self.run.recorded(self.check_type, self._since)]

    def _next_cards(self) -> list[int]:
        redis, now = self.run.stack.redis, self._now()
        ahead = int(redis.zcount(self._queue, f"({now}", "+inf")) - self.reserved
        if ahead <= 0:
            return []
        cards = redis.zrangebyscore(self._queue, f"({now}", "+inf", start=0, num=min(CHUNK, ahead))
        # Leave out claimed cards. They are in the queue too, with the end of the claim as their score.
        claimed = set(redis.hkeys(keys.claims(self.check_type.value)))
        return [int(str(card)) for card in cards if card not in claimed]

    def _make_due(self, cards: Sequence[int]) -> int:
        """Make these cards due. Return how many cards were due just before.

        Due cards are counted after the rows are written, because the engine checks cards during the writing.
        """
        if cards and self.is_unread:
            self._make_unread(cards)
        left = self.left()
        self._schedule.hasten([(card_id, 0.0) for card_id in cards])
        return left

    def _make_unread(self, cards: Sequence[int]) -> None:
        listed = ",".join(map(str, cards))
        if self.check_type is CheckType.DATA_USAGE:
            self.run.stack.rows(UNREAD_METERS.format(cards=listed))
        states = UNREAD_STATES.format(
            check_type=self.check_type.value, since=self._since.isoformat(), cards=listed
        )
        self._overwritten += self.run.stack.rows(states)

    def _now(self) -> float:
        seconds, microseconds = self.run.stack.redis.time()
        return float(seconds) + float(microseconds) / 1_000_000


def keep_busy(
    run: Run, supply: Supply, seconds: float, *, is_over: Callable[[], bool] = lambda: False
) -> Shift:
    """Top up the supply for `seconds` or until `is_over` returns True, and return this time as a shift.

    The shift ends early if the work runs out, so that the time without work is not measured.
    """
    begin, deadline = run.now(), time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0 and not is_over():
        if supply.top_up() < supply.floor:
            return Shift(Window(begin, run.now()), seconds, ran_out=True)
        run.wait(min(TICK_SECONDS, remaining))
    return Shift(Window(begin, run.now()), seconds)
