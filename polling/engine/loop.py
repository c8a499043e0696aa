"""The drain: a stream for each check type, and a look at slots, triggers and the clock five times a second.

Its message carries nothing: what is due is in the schedule. How a card goes through it is in `gateway_stream`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

import structlog
from django.conf import settings
from django.db import close_old_connections
from redis import Redis

from carriers.models import Gateway
from common.http.outgoing import Outgoing
from common.redis.semaphore import LEASE_SECONDS, HeldSlots
from polling.checks.base import Check, GatewayCheck
from polling.checks.registry import CHECKS
from polling.engine import shutdown
from polling.engine.disposition import InFlight
from polling.engine.gateway_stream import GatewayStream
from polling.engine.lifetime import Lifetime
from polling.engine.local_stream import LocalStream
from polling.engine.orphan_rescue import OrphanRescue
from polling.engine.runtime import WorkerRuntime
from polling.engine.scale_out import ScaleOut, slots_wanted
from polling.engine.stream import TICK_SECONDS, EngineContext, Stream
from polling.engine.throttle.breaker_trials import Probes
from polling.engine.throttle.throttle import Throttle
from polling.schedule.limits import slots_of
from polling.schedule.schedule import NoScheduleError, Outlook, Schedule

# Of its time: drains that began together must not all end together, with their slots idle.
SHORTEST = 0.7

log = structlog.get_logger(__name__)


class SlotsLostError(Exception):
    """Redis was flushed, or this process was frozen beyond its leases: its claims are void as well."""


class TimeIsUpError(Exception):
    """Something blocked for so long that the leases of the drain's slots have run out."""


@dataclass(frozen=True)
class Drain:
    """Works off every schedule until its time is up, it is told to stop, or nothing is due for a second."""

    redis: Redis
    runtime: WorkerRuntime
    chance: Random
    send_next: Callable[[], object] = lambda: None
    should_stop: Callable[[], bool] = shutdown.is_wanted

    def run(self) -> int:
        """Returns the number of cards that were claimed."""
        in_flight_by_check = {check: InFlight(Schedule(self.redis, check.type)) for check in CHECKS.values()}
        seconds = settings.POLLING.drain_seconds * self.chance.uniform(SHORTEST, 1)
        lifetime = Lifetime(seconds=seconds, should_stop=self.should_stop)
        # Claims and slots outlive the loop: whatever happens in it, they are given back.
        with ExitStack() as held:
            throttle = held.enter_context(Throttle(self.redis))
            slots = {
                check: held.enter_context(slots_of(self.redis, check.type).hold())
                for check in in_flight_by_check
            }
            for in_flight in in_flight_by_check.values():
                held.enter_context(in_flight)

            async def use(outgoing: Outgoing) -> None:
                context = EngineContext(self.redis, self.runtime, outgoing, throttle, lifetime, self.chance)
                streams = [
                    _stream(check, slots[check], in_flight, context)
                    for check, in_flight in in_flight_by_check.items()
                ]
                scale_out = ScaleOut(self.redis, self.send_next)
                await EngineLoop(streams, context, scale_out, Probes(context), OrphanRescue(self.redis)).run()

            try:
                self.runtime.run(use)
            except NoScheduleError:
                log.warning("no_schedule", what_to_do="wait for the walk, or run init_polling")
            except SlotsLostError:
                log.warning("seats_lost", what_to_do="nothing: the cards fall due again")
            except TimeIsUpError:
                log.error(
                    "drain_timed_out", what_to_do="see whether PostgreSQL is slow; the cards fall due again"
                )
        return sum(in_flight.claimed for in_flight in in_flight_by_check.values())


@dataclass(frozen=True)
class EngineLoop:
    """The streams of one drain, beside each other."""

    streams: Sequence[Stream]
    context: EngineContext
    scale_out: ScaleOut
    probes: Probes
    orphan_rescue: OrphanRescue

    async def run(self) -> None:
        """Return when all streams have ended; raises the first error of any of them."""
        try:
            # Beyond the lease of its slots, nothing of a drain may go on.
            async with asyncio.timeout(LEASE_SECONDS) as limit:
                await self.context.runtime.in_thread(_look_at_all, self.context.throttle)
                await self._look()
                work = asyncio.create_task(self._work())
                try:
                    while not work.done():
                        await asyncio.wait([work], timeout=TICK_SECONDS)
                        await self._look()
                finally:
                    work.cancel()
                    await asyncio.wait([work])
            await work
        except TimeoutError:
            raise (TimeIsUpError if limit.expired() else TimeoutError) from None

    async def _work(self) -> None:
        try:
            for stream in self.streams:
                # Nothing else is in flight in this process.
                await stream.check_suspects()
            ended = await asyncio.gather(*map(self._flow, self.streams), return_exceptions=True)
            await self.probes.end()
        finally:
            self.probes.cut()
            await self.probes.end()
            for stream in self.streams:
                await stream.close()
        for error in ended:
            if error is not None:
                raise _first(error)

    async def _flow(self, stream: Stream) -> None:
        try:
            await stream.flow()
        except BaseException:
            # Else its cards would wait until the others have nothing to do.
            self.context.lifetime.fail()
            raise

    async def _look(self) -> None:
        lifetime = self.context.lifetime
        if lifetime.must_cut:
            self._cut()
        outlooks = await self._share_slots()
        await self.probes.look()
        if self.probes.are_running:
            lifetime.busy()
        for stream, outlook in zip(self.streams, outlooks, strict=True):
            stream.take_notice(outlook)
            if stream.is_at_work or ((outlook.cards or len(stream.in_flight)) and len(stream.slots)):
                lifetime.busy()

    def _cut(self) -> None:
        self.probes.cut()
        for stream in self.streams:
            stream.cut_calls()

    async def _share_slots(self) -> list[Outlook]:
        """Slots at gateways after those of the types, and in the same look: a slot without the other is idle."""
        in_thread, throttle = self.context.runtime.in_thread, self.context.throttle
        outlooks = await in_thread(self._review_all_slots, [stream.take_pace() for stream in self.streams])
        for stream in self.streams:
            stream.share_slots()
        slots = sum((stream.slots_by_gateway() for stream in self.streams), Counter[int]())
        waiting = sum((stream.waiting_by_gateway() for stream in self.streams), Counter[int]())
        await in_thread(throttle.review, slots, waiting)
        for gateway_id in slots:
            if throttle.rest_of(gateway_id) or not throttle.has_slot(gateway_id):
                for stream in self.streams:
                    stream.defer(gateway_id)
        return outlooks

    def _review_all_slots(self, paces: Sequence[int]) -> list[Outlook]:
        """Blocks: for a thread."""
        return [self._review_slots(stream, pace) for stream, pace in zip(self.streams, paces, strict=True)]

    def _review_slots(self, stream: Stream, pace: int) -> Outlook:
        lifetime, slots = self.context.lifetime, stream.slots
        outlook = Schedule(self.context.redis, stream.check.type).look()
        held = len(slots)
        occupancy = slots.verify()
        if len(slots) < held:
            raise SlotsLostError
        self.orphan_rescue.look(stream.check.type, occupancy)
        wanted = 0
        if lifetime.may_call:
            wanted = slots_wanted(
                held=held,
                pace=pace,
                has_work=outlook.cards > 0 or (outlook.suspects > 0 and lifetime.is_young),
                has_cards=len(stream.in_flight) > 0,
                share=min(stream.max_slots, self.scale_out.share(occupancy.limit or 0)),
                free=occupancy.free,
            )
        slots.shrink_to(wanted)
        kept = len(slots)
        slots.grow_to(wanted)
        if lifetime.is_up:
            self.scale_out.hand_over()
        elif stream.in_flight.claimed and outlook.due and occupancy.free > len(slots) - kept:
            # Who cannot claim himself, because PostgreSQL is away, must not call others.
            self.scale_out.call_for_help()
        return outlook


def _look_at_all(throttle: Throttle) -> None:
    """Blocks: for a thread. Of an open breaker, whose cards are planned far away, nobody would hear else."""
    close_old_connections()
    throttle.look(Gateway.objects.values_list("pk", flat=True))


def _stream(check: Check, slots: HeldSlots, in_flight: InFlight, context: EngineContext) -> Stream:
    if isinstance(check, GatewayCheck):
        return GatewayStream(check, slots, in_flight, context)
    return LocalStream(check, slots, in_flight, context)


def _first(error: BaseException) -> BaseException:
    """The first error inside groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
