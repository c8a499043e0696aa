"""The stream of a check that asks nobody: a slot is one batch in PostgreSQL."""

import asyncio
import time
from collections import Counter

from django.conf import settings

from common.redis.semaphore import HeldSlots
from polling.checks.base import Check, Result
from polling.engine import disposition
from polling.engine.disposition import InFlight
from polling.engine.fetch import Fetcher
from polling.engine.recording import record
from polling.engine.stream import TICK_SECONDS, EngineContext, Stream, either
from polling.schedule.schedule import Outlook, Which

# What is hastened comes card by card: a batch of many costs hardly more than one of a few.
PAUSE_SECONDS = 0.8


class LocalStream(Stream):
    """One batch after the other: several would only wait for this process's own threads."""

    max_slots = 1

    def __init__(self, check: Check, slots: HeldSlots, in_flight: InFlight, context: EngineContext) -> None:
        """See the base class."""
        super().__init__(check, slots, in_flight, context)
        self._fetcher = Fetcher(check.type, redis=context.redis, in_flight=in_flight, chance=context.chance)
        self._has_work = asyncio.Event()
        self._is_at_work, self._batches = False, 0

    async def check_suspects(self) -> None:
        """See the base class."""
        while self.context.lifetime.is_young and await self._batch(1, Which.SUSPECT):
            pass

    async def flow(self) -> None:
        """See the base class."""
        while self.context.lifetime.may_claim:
            self._has_work.clear()
            count = settings.POLLING.batch_cards
            taken = await self._batch(count, Which.ANY)
            if taken < count:
                await either(self._has_work, PAUSE_SECONDS if taken else TICK_SECONDS)

    def take_pace(self) -> int:
        """See the base class."""
        batches, self._batches = self._batches, 0
        return batches

    def share_slots(self) -> None:
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

    def slots_by_gateway(self) -> Counter[int]:
        """None."""
        return Counter()

    def waiting_by_gateway(self) -> Counter[int]:
        """None."""
        return Counter()

    def defer(self, gateway_id: int) -> None:
        """No card waits for a gateway."""

    async def _batch(self, count: int, which: Which) -> int:
        """Check up to `count` cards; returns how many were claimed or parked, 0 without a slot."""
        if not self.slots.begin():
            return 0
        self._is_at_work = True
        try:
            return await self.context.runtime.in_thread(self._work, count, which)
        finally:
            self._is_at_work = False
            self.slots.end()

    def _work(self, count: int, which: Which) -> int:
        """Blocks: for a thread."""
        taken = self._fetcher.claim(count, which, self._fetcher.snapshot())
        self._batches += bool(taken.claimed)
        started = time.perf_counter()
        outcomes = self._fetcher.by_configs_in_force(
            record(self.check, [Result(card, None) for card in taken.cards])
        )
        duration_ms = round((time.perf_counter() - started) * 1000)
        chance, now = self.context.chance, time.time()
        ended = [disposition.after_outcome(outcome, duration_ms, chance, now) for outcome in outcomes]
        self.in_flight.settle([*taken.settlements, *ended])
        return taken.touched
