"""The stream of a check that calls no gateway. It claims and records one batch after another."""

import asyncio
import time

from django.conf import settings

from common.redis.semaphore import HeldSlots
from polling.checks.base import Check, Result
from polling.engine.disposition import Moment, dispose_outcome
from polling.engine.fetch import Fetcher
from polling.engine.in_flight import InFlight
from polling.engine.recording import record
from polling.engine.stream import TICK_SECONDS, EngineContext, Stream, either
from polling.schedule.schedule import Outlook, Which

# The pause after a batch that was not full. Hastened cards fall due one by one, and a large batch costs
# hardly more than a small one, so waiting for more cards saves work.
PAUSE_SECONDS = 0.8


class LocalStream(Stream):
    """Checks one batch at a time, because parallel batches would only compete for this process's threads."""

    max_slots = 1

    def __init__(self, check: Check, slots: HeldSlots, in_flight: InFlight, context: EngineContext) -> None:
        super().__init__(check, slots, in_flight, context)
        self._fetcher = Fetcher(check.type, redis=context.redis, in_flight=in_flight, chance=context.chance)
        self._has_work = asyncio.Event()
        self._is_working, self._batches = False, 0

    async def run_suspects(self) -> None:
        while self.context.lifetime.is_young and await self._batch(1, Which.SUSPECT):
            pass

    async def run(self) -> None:
        while self.context.lifetime.may_claim:
            self._has_work.clear()
            count = settings.POLLING.batch_cards
            handled = await self._batch(count, Which.ANY)
            if handled < count:
                await either(self._has_work, PAUSE_SECONDS if handled else TICK_SECONDS)

    def tick(self, outlook: Outlook) -> None:
        if outlook.triggered or outlook.due >= settings.POLLING.batch_cards:
            self._has_work.set()

    async def close(self) -> None:
        """Do nothing, because `run` waits for its batch."""

    def cut_calls(self) -> None:
        """Do nothing, because there are no calls."""

    @property
    def is_working(self) -> bool:
        return self._is_working

    def take_usage(self) -> int:
        batches, self._batches = self._batches, 0
        return batches

    async def _batch(self, count: int, which: Which) -> int:
        """Check up to `count` cards; return how many were claimed or parked. Return 0 if no slot is free."""
        if not self.slots.begin():
            return 0
        self._is_working = True
        try:
            return await self.context.runtime.in_thread(self._work, count, which)
        finally:
            self._is_working = False
            self.slots.end()

    def _work(self, count: int, which: Which) -> int:
        """Claim, check, record and settle one batch. Blocks."""
        batch = self._fetcher.claim(count, which, self._fetcher.snapshot())
        self._batches += bool(batch.claimed)
        started = time.perf_counter()
        outcomes = self._fetcher.with_current_intervals(
            record(self.check, [Result(card, None) for card in batch.cards])
        )
        duration_ms = round((time.perf_counter() - started) * 1000)
        moment = Moment(self.context.chance, now=time.time())
        checked = [dispose_outcome(outcome, moment, duration_ms) for outcome in outcomes]
        self.in_flight.dispose([*batch.disposals, *checked])
        return batch.handled
