"""The interface between a drain and its streams.

A stream takes the cards of one check type from claiming to settling.
"""

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
    """The objects that the streams of one drain share.

    `is_trial` is whether the last run failed. If so, perhaps no answer can be stored, so a stream asks about few
    cards until it has stored an answer.
    """

    redis: Redis
    runtime: WorkerRuntime
    outgoing: Outgoing
    throttle: Throttle
    lifetime: Lifetime
    chance: Random
    is_trial: bool = False


class Stream(ABC):
    """A loop that works through the due cards of one check type: it claims, checks, records and settles them.

    It can use at most `max_slots` slots. `slots` and `in_flight` outlive the stream: the drain gives back the
    slots and claims that are left in them.
    """

    max_slots: int

    def __init__(self, check: Check, slots: HeldSlots, in_flight: InFlight, context: EngineContext) -> None:
        self.check, self.slots, self.in_flight, self.context = check, slots, in_flight, context

    @abstractmethod
    async def run_suspects(self) -> None:
        """Check suspects one at a time, so that if one kills the worker, no other card is blamed.

        A suspect is a card whose claims were lost more than once.
        """

    @abstractmethod
    async def run(self) -> None:
        """Check cards until the drain may claim no more and nothing is in flight."""

    @abstractmethod
    def tick(self, outlook: Outlook) -> None:
        """React to the number of cards that can be claimed now. A drain calls this at every tick."""

    @abstractmethod
    async def close(self) -> None:
        """Begin no more calls, and cancel those that are running. Safe to repeat."""

    @abstractmethod
    def cut_calls(self) -> None:
        """Cancel running calls. Their cards are given back."""

    @property
    @abstractmethod
    def is_working(self) -> bool:
        """Return whether a slot is in use."""

    @abstractmethod
    def take_usage(self) -> int:
        """Return how many slots were used since the last call of this method."""


async def either(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set or `seconds` have passed."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
