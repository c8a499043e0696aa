"""The stream of a check that asks nobody: a seat is one batch in PostgreSQL."""

import asyncio
import time
from collections import Counter

from django.conf import settings

from common.redis.semaphore import HeldSeats
from polling.checks.base import Check, Result
from polling.engine import disposition
from polling.engine.disposition import Hand
from polling.engine.fetch import Intake
from polling.engine.recording import record
from polling.engine.stream import LOOK_SECONDS, Means, Stream, either
from polling.schedule.schedule import Outlook, Which

# What is hastened comes card by card: a batch of many costs hardly more than one of a few.
PAUSE_SECONDS = 0.8


class LocalStream(Stream):
    """One batch after the other: several would only wait for this process's own threads."""

    most_seats = 1

    def __init__(self, check: Check, seats: HeldSeats, hand: Hand, means: Means) -> None:
        """See the base class."""
        super().__init__(check, seats, hand, means)
        self._intake = Intake(check.type, redis=means.redis, hand=hand, chance=means.chance)
        self._has_work = asyncio.Event()
        self._is_at_work, self._batches = False, 0

    async def check_suspects(self) -> None:
        """See the base class."""
        while self.means.lifetime.is_young and await self._batch(1, Which.SUSPECT):
            pass

    async def flow(self) -> None:
        """See the base class."""
        while self.means.lifetime.may_claim:
            self._has_work.clear()
            count = settings.POLLING.batch_cards
            taken = await self._batch(count, Which.ANY)
            if taken < count:
                await either(self._has_work, PAUSE_SECONDS if taken else LOOK_SECONDS)

    def take_pace(self) -> int:
        """See the base class."""
        batches, self._batches = self._batches, 0
        return batches

    def share_seats(self) -> None:
        """There is one."""

    def take_notice(self, outlook: Outlook) -> None:
        """See the base class."""
        if outlook.triggered or outlook.due >= settings.POLLING.batch_cards:
            self._has_work.set()

    @property
    def is_at_work(self) -> bool:
        """See the base class."""
        return self._is_at_work

    async def close(self) -> None:
        """A batch is waited for where it was begun."""

    def cut_calls(self) -> None:
        """There are none."""

    def seats_by_gateway(self) -> Counter[int]:
        """None."""
        return Counter()

    def waiting_by_gateway(self) -> Counter[int]:
        """None."""
        return Counter()

    def defer(self, gateway_id: int) -> None:
        """No card waits for a gateway."""

    async def _batch(self, count: int, which: Which) -> int:
        """Check up to `count` cards; returns how many were claimed or parked, 0 without a seat."""
        if not self.seats.begin():
            return 0
        self._is_at_work = True
        try:
            return await self.means.outlet.in_thread(self._work, count, which)
        finally:
            self._is_at_work = False
            self.seats.end()

    def _work(self, count: int, which: Which) -> int:
        """Blocks: for a thread."""
        taken = self._intake.claim(count, which, self._intake.directory())
        self._batches += bool(taken.claimed)
        started = time.perf_counter()
        outcomes = self._intake.by_configs_in_force(
            record(self.check, [Result(card, None) for card in taken.cards])
        )
        duration_ms = round((time.perf_counter() - started) * 1000)
        chance, now = self.means.chance, time.time()
        ended = [disposition.after_outcome(outcome, duration_ms, chance, now) for outcome in outcomes]
        self.hand.settle([*taken.settlements, *ended])
        return taken.touched
