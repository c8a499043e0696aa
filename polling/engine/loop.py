"""The drain: a stream for each check type, and a look at seats, triggers and the clock five times a second.

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
from common.redis.semaphore import LEASE_SECONDS, HeldSeats
from polling.checks.base import Check, GatewayCheck
from polling.checks.registry import CHECKS
from polling.engine import shutdown
from polling.engine.disposition import Hand
from polling.engine.gateway_stream import GatewayStream
from polling.engine.lifetime import Lifetime
from polling.engine.local_stream import LocalStream
from polling.engine.orphan_rescue import Bereavement
from polling.engine.runtime import Outlet
from polling.engine.scale_out import Recruiter, seats_wanted
from polling.engine.stream import LOOK_SECONDS, Means, Stream
from polling.engine.throttle.breaker_trials import Probes
from polling.engine.throttle.throttle import Gates
from polling.schedule.limits import seats_of
from polling.schedule.schedule import NoScheduleError, Outlook, Schedule

# Of its time: drains that began together must not all end together, with their seats idle.
SHORTEST = 0.7

log = structlog.get_logger(__name__)


class SeatsLostError(Exception):
    """Redis was flushed, or this process was frozen beyond its leases: its claims are void as well."""


class TimeIsUpError(Exception):
    """Something blocked for so long that the leases of the drain's seats have run out."""


@dataclass(frozen=True)
class Drain:
    """Works off every schedule until its time is up, it is told to stop, or nothing is due for a second."""

    redis: Redis
    outlet: Outlet
    chance: Random
    send_next: Callable[[], object] = lambda: None
    should_stop: Callable[[], bool] = shutdown.is_wanted

    def run(self) -> int:
        """Returns the number of cards that were claimed."""
        hands = {check: Hand(Schedule(self.redis, check.type)) for check in CHECKS.values()}
        seconds = settings.POLLING.drain_seconds * self.chance.uniform(SHORTEST, 1)
        lifetime = Lifetime(seconds=seconds, should_stop=self.should_stop)
        # Claims and seats outlive the loop: whatever happens in it, they are given back.
        with ExitStack() as held:
            gates = held.enter_context(Gates(self.redis))
            seats = {check: held.enter_context(seats_of(self.redis, check.type).hold()) for check in hands}
            for hand in hands.values():
                held.enter_context(hand)

            async def use(outgoing: Outgoing) -> None:
                means = Means(self.redis, self.outlet, outgoing, gates, lifetime, self.chance)
                streams = [_stream(check, seats[check], hand, means) for check, hand in hands.items()]
                recruiter = Recruiter(self.redis, self.send_next)
                await Round(streams, means, recruiter, Probes(means), Bereavement(self.redis)).run()

            try:
                self.outlet.run(use)
            except NoScheduleError:
                log.warning("no_schedule", what_to_do="wait for the walk, or run init_polling")
            except SeatsLostError:
                log.warning("seats_lost", what_to_do="nothing: the cards fall due again")
            except TimeIsUpError:
                log.error(
                    "drain_timed_out", what_to_do="see whether PostgreSQL is slow; the cards fall due again"
                )
        return sum(hand.claimed for hand in hands.values())


@dataclass(frozen=True)
class Round:
    """The streams of one drain, beside each other."""

    streams: Sequence[Stream]
    means: Means
    recruiter: Recruiter
    probes: Probes
    bereavement: Bereavement

    async def run(self) -> None:
        """Return when all streams have ended; raises the first error of any of them."""
        try:
            # Beyond the lease of its seats, nothing of a drain may go on.
            async with asyncio.timeout(LEASE_SECONDS) as limit:
                await self.means.outlet.in_thread(_look_at_all, self.means.gates)
                await self._look()
                work = asyncio.create_task(self._work())
                try:
                    while not work.done():
                        await asyncio.wait([work], timeout=LOOK_SECONDS)
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
            self.means.lifetime.fail()
            raise

    async def _look(self) -> None:
        lifetime = self.means.lifetime
        if lifetime.must_cut:
            self._cut()
        outlooks = await self._share_out_seats()
        await self.probes.look()
        if self.probes.are_running:
            lifetime.busy()
        for stream, outlook in zip(self.streams, outlooks, strict=True):
            stream.take_notice(outlook)
            if stream.is_at_work or ((outlook.cards or len(stream.hand)) and len(stream.seats)):
                lifetime.busy()

    def _cut(self) -> None:
        self.probes.cut()
        for stream in self.streams:
            stream.cut_calls()

    async def _share_out_seats(self) -> list[Outlook]:
        """Seats at gateways after those of the types, and in the same look: a seat without the other is idle."""
        in_thread, gates = self.means.outlet.in_thread, self.means.gates
        outlooks = await in_thread(self._review_all_seats, [stream.take_pace() for stream in self.streams])
        for stream in self.streams:
            stream.share_seats()
        seats = sum((stream.seats_by_gateway() for stream in self.streams), Counter[int]())
        waiting = sum((stream.waiting_by_gateway() for stream in self.streams), Counter[int]())
        await in_thread(gates.review, seats, waiting)
        for gateway_id in seats:
            if gates.rest_of(gateway_id) or not gates.has_seat(gateway_id):
                for stream in self.streams:
                    stream.defer(gateway_id)
        return outlooks

    def _review_all_seats(self, paces: Sequence[int]) -> list[Outlook]:
        """Blocks: for a thread."""
        return [self._review_seats(stream, pace) for stream, pace in zip(self.streams, paces, strict=True)]

    def _review_seats(self, stream: Stream, pace: int) -> Outlook:
        lifetime, seats = self.means.lifetime, stream.seats
        outlook = Schedule(self.means.redis, stream.check.type).look()
        held = len(seats)
        occupancy = seats.verify()
        if len(seats) < held:
            raise SeatsLostError
        self.bereavement.look(stream.check.type, occupancy)
        wanted = 0
        if lifetime.may_call:
            wanted = seats_wanted(
                held=held,
                pace=pace,
                has_work=outlook.cards > 0 or (outlook.suspects > 0 and lifetime.is_young),
                has_cards=len(stream.hand) > 0,
                share=min(stream.most_seats, self.recruiter.share(occupancy.limit or 0)),
                free=occupancy.free,
            )
        seats.shrink_to(wanted)
        kept = len(seats)
        seats.grow_to(wanted)
        if lifetime.is_up:
            self.recruiter.hand_over()
        elif stream.hand.claimed and outlook.due and occupancy.free > len(seats) - kept:
            # Who cannot claim himself, because PostgreSQL is away, must not call others.
            self.recruiter.call_for_help()
        return outlook


def _look_at_all(gates: Gates) -> None:
    """Blocks: for a thread. Of an open breaker, whose cards are planned far away, nobody would hear else."""
    close_old_connections()
    gates.look(Gateway.objects.values_list("pk", flat=True))


def _stream(check: Check, seats: HeldSeats, hand: Hand, means: Means) -> Stream:
    if isinstance(check, GatewayCheck):
        return GatewayStream(check, seats, hand, means)
    return LocalStream(check, seats, hand, means)


def _first(error: BaseException) -> BaseException:
    """The first error inside groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
