"""The interface between a drain and its streams: a stream is one check type's way from claim to settle."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from redis import Redis

from common.http.outgoing import Outgoing
from common.redis.semaphore import HeldSlots
from polling.checks.base import Check
from polling.engine.in_flight import InFlight
from polling.engine.lifetime import Lifetime
from polling.engine.runtime import WorkerRuntime
from polling.engine.throttle.throttle import Throttle
from polling.schedule.schedule import Outlook

TICK_SECONDS = 0.2


@dataclass(frozen=True)
class EngineContext:
    """What the streams of one drain share."""

    redis: Redis
    runtime: WorkerRuntime
    outgoing: Outgoing
    throttle: Throttle
    lifetime: Lifetime
    chance: Random


class Stream(ABC):
    """Claims, checks, records and settles on the slots that it holds; more than `max_slots` are of no use to it.

    `slots` and `in_flight` outlive the stream: the drain gives back what is left in them.
    """

    max_slots: int

    def __init__(self, check: Check, slots: HeldSlots, in_flight: InFlight, context: EngineContext) -> None:
        self.check, self.slots, self.in_flight, self.context = check, slots, in_flight, context

    @abstractmethod
    async def run_suspects(self) -> None:
        """Check cards that lost their claims, one by one: if one kills the worker, no other card is blamed."""

    @abstractmethod
    async def run(self) -> None:
        """Check cards until the drain's time is up and nothing is in flight."""

    @abstractmethod
    def tick(self, outlook: Outlook) -> None:
        """React to what there is to do now; called five times a second."""

    @abstractmethod
    async def close(self) -> None:
        """Begin nothing more, and end what runs. Safe to repeat."""

    @abstractmethod
    def cut_calls(self) -> None:
        """Cancel running calls; their cards are given back."""

    @property
    @abstractmethod
    def is_working(self) -> bool:
        """Whether a slot is in use."""

    @abstractmethod
    def take_usage(self) -> int:
        """Return how many slots were used since the last time this was read."""


async def either(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set or `seconds` have passed."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
