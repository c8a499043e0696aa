"""What a drain knows of a stream: one check type's way from claiming to settling."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from redis import Redis

from common.http.outgoing import Outgoing
from common.redis.semaphore import HeldSlots
from polling.checks.base import Check
from polling.engine.disposition import InFlight
from polling.engine.lifetime import Lifetime
from polling.engine.runtime import WorkerRuntime
from polling.engine.throttle.throttle import Throttle
from polling.schedule.schedule import Outlook

TICK_SECONDS = 0.2


@dataclass(frozen=True)
class EngineContext:
    """What the streams of a drain share."""

    redis: Redis
    runtime: WorkerRuntime
    outgoing: Outgoing
    throttle: Throttle
    lifetime: Lifetime
    chance: Random


class Stream(ABC):
    """Claims, checks, records and settles on the slots that it has. `most_seats`: more are of no use to it."""

    max_slots: int

    def __init__(self, check: Check, slots: HeldSlots, in_flight: InFlight, context: EngineContext) -> None:
        """`slots` and `hand` outlive the stream: who made them gives back what is left in them."""
        self.check, self.slots, self.in_flight, self.context = check, slots, in_flight, context

    @abstractmethod
    async def check_suspects(self) -> None:
        """Check cards that lost their claims, one by one: when one kills us, no neighbour is blamed."""

    @abstractmethod
    async def flow(self) -> None:
        """Go on until the drain's time is up and nothing is in flight."""

    @abstractmethod
    def take_pace(self) -> int:
        """How many slots were used since this was last asked."""

    @abstractmethod
    def share_slots(self) -> None:
        """There may be other slots than before: say anew how many of them each gateway may use."""

    @abstractmethod
    def take_notice(self, outlook: Outlook) -> None:
        """There may be something to claim, and slots to use."""

    @property
    @abstractmethod
    def is_at_work(self) -> bool:
        """Whether a slot is in use."""

    @abstractmethod
    async def close(self) -> None:
        """Begin nothing any more, and end what runs. Safe to repeat."""

    @abstractmethod
    def cut_calls(self) -> None:
        """End the calls that run; their cards are given back."""

    @abstractmethod
    def slots_by_gateway(self) -> Counter[int]:
        """How many slots calls use or wait for, per gateway."""

    @abstractmethod
    def waiting_by_gateway(self) -> Counter[int]:
        """How many calls wait."""

    @abstractmethod
    def defer(self, gateway_id: int) -> None:
        """Nobody waits at a gateway that has no slot for us, or is left alone: its cards are deferred."""


async def either(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set or `seconds` have passed."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
