"""A drain: one run of the engine in a worker, with a stream for each check type and five ticks per second.

The message that starts a drain is empty, because the schedule says which cards are due. `gateway_stream.py`
shows what happens to a card.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
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
from polling.engine.gateway_stream import GatewayStream
from polling.engine.in_flight import InFlight
from polling.engine.lifetime import Lifetime
from polling.engine.local_stream import LocalStream
from polling.engine.orphan_rescue import OrphanRescue
from polling.engine.runtime import WorkerRuntime
from polling.engine.scale_out import ScaleOut
from polling.engine.slot_review import SlotReview, SlotsLostError
from polling.engine.stream import TICK_SECONDS, EngineContext, Stream
from polling.engine.throttle.breaker_trials import BreakerTrials
from polling.engine.throttle.throttle import Throttle
from polling.schedule.limits import slots_of
from polling.schedule.run_failures import RunFailures
from polling.schedule.schedule import NoScheduleError, Outlook, Schedule

# A drain lasts a random time: at least this fraction of the configured time, and at most all of it. So drains
# that began together do not end together.
MIN_LENGTH = 0.7

log = structlog.get_logger(__name__)


class TimeIsUpError(Exception):
    """The leases of the drain's slots have run out because something blocked for too long."""


@dataclass(frozen=True)
class Drain:
    """One run of the engine, which works through the schedules of all check types.

    It ends when its time is up, when it is asked to stop, or when nothing has been due for a while.

    Example::

        claimed = Drain(redis, runtime.of_this_process(), Random(), send_next=drain.delay).run()
    """

    redis: Redis
    runtime: WorkerRuntime
    chance: Random
    send_next: Callable[[], object] = lambda: None
    should_stop: Callable[[], bool] = shutdown.is_wanted

    def run(self) -> int:
        """Run the drain to its end; return how many claims it took."""
        in_flight_by_check = {check: InFlight(Schedule(self.redis, check.type)) for check in CHECKS.values()}
        # Hold claims and slots outside the event loop, so that they are given back even if the loop fails.
        with ExitStack() as held:
            throttle = held.enter_context(Throttle(self.redis))
            slots = {
                check: held.enter_context(slots_of(self.redis, check.type).hold())
                for check in in_flight_by_check
            }
            for in_flight in in_flight_by_check.values():
                held.enter_context(in_flight)
            lifetime = self._lifetime()
            has_failed = RunFailures(self.redis).latest() is not None

            async def use(outgoing: Outgoing) -> None:
                context = EngineContext(
                    self.redis, self.runtime, outgoing, throttle, lifetime, self.chance, is_trial=has_failed
                )
                streams = [
                    _stream(check, slots[check], in_flight, context)
                    for check, in_flight in in_flight_by_check.items()
                ]
                review = SlotReview(
                    streams, context, ScaleOut(self.redis, self.send_next), OrphanRescue(self.redis)
                )
                await EngineLoop(streams, context, review, BreakerTrials(context)).run()

            self._run(use)
        return sum(in_flight.claimed for in_flight in in_flight_by_check.values())

    def _lifetime(self) -> Lifetime:
        return Lifetime(
            seconds=settings.POLLING.drain_seconds * self.chance.uniform(MIN_LENGTH, 1),
            linger_seconds=settings.POLLING.drain_linger_milliseconds / 1000,
            should_stop=self.should_stop,
        )

    def _run(self, use: Callable[[Outgoing], Awaitable[None]]) -> None:
        try:
            self.runtime.run(use)
        except NoScheduleError:
            log.warning("no_schedule", what_to_do="wait for the scan, or run init_polling")
        except SlotsLostError:
            log.warning("seats_lost", what_to_do="nothing: the cards fall due again")
        except TimeIsUpError:
            log.error(
                "drain_timed_out", what_to_do="check whether PostgreSQL is slow; the cards fall due again"
            )


@dataclass(frozen=True)
class EngineLoop:
    """Runs all streams of one drain concurrently."""

    streams: Sequence[Stream]
    context: EngineContext
    review: SlotReview
    trials: BreakerTrials

    async def run(self) -> None:
        """Run until all streams have ended. If streams failed, raise the error of one of them."""
        try:
            # Nothing in a drain may continue after the leases of its slots have run out.
            async with asyncio.timeout(LEASE_SECONDS) as limit:
                await self.context.runtime.in_thread(_read_breakers, self.context.throttle)
                await self._tick()
                work = asyncio.create_task(self._work())
                try:
                    while not work.done():
                        await asyncio.wait([work], timeout=TICK_SECONDS)
                        await self._tick()
                finally:
                    work.cancel()
                    await asyncio.wait([work])
            await work
        except TimeoutError:
            raise (TimeIsUpError if limit.expired() else TimeoutError) from None

    async def _work(self) -> None:
        try:
            for stream in self.streams:
                # Check suspects first, while nothing else is in flight in this process. So if the process
                # dies, only the suspect can be the cause.
                await stream.run_suspects()
            ended = await asyncio.gather(*map(self._run_stream, self.streams), return_exceptions=True)
            await self.trials.wait()
        finally:
            self.trials.cancel()
            await self.trials.wait()
            for stream in self.streams:
                await stream.close()
        for error in ended:
            if error is not None:
                raise _first(error)

    async def _run_stream(self, stream: Stream) -> None:
        try:
            await stream.run()
        except BaseException:
            # End the other streams as well. Otherwise this stream's claims would be held until the other
            # streams have no more work.
            self.context.lifetime.fail()
            raise

    async def _tick(self) -> None:
        lifetime = self.context.lifetime
        if lifetime.must_cut:
            self._cut_calls()
        outlooks = await self.review.run()
        await self.trials.begin_due()
        if self.trials.are_running:
            lifetime.note_work()
        for stream, outlook in zip(self.streams, outlooks, strict=True):
            stream.tick(outlook)
            if stream.is_working or _can_work(stream, outlook):
                lifetime.note_work()

    def _cut_calls(self) -> None:
        self.trials.cancel()
        for stream in self.streams:
            stream.cut_calls()


def _can_work(stream: Stream, outlook: Outlook) -> bool:
    return bool((outlook.cards or len(stream.in_flight)) and len(stream.slots))


def _read_breakers(throttle: Throttle) -> None:
    """Read all breakers, and how the last calls ended. Blocks.

    Otherwise a breaker would be read only after a card of its gateway is claimed. While the breaker is open,
    such a card falls due much later, so the trial call would come too late.
    """
    close_old_connections()
    gateways = list(Gateway.objects.values_list("pk", flat=True))
    throttle.refresh(gateways)
    throttle.read_calls(gateways)


def _stream(check: Check, slots: HeldSlots, in_flight: InFlight, context: EngineContext) -> Stream:
    if isinstance(check, GatewayCheck):
        return GatewayStream(check, slots, in_flight, context)
    return LocalStream(check, slots, in_flight, context)


def _first(error: BaseException) -> BaseException:
    """Return `error`, or the first error inside it if it is an exception group. Groups may be nested."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
