"""The drain: claim, ask, record, settle, again and again, for a few seconds.

It serves every check type. Its message carries nothing: what is due is in the schedule.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import structlog
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from redis import Redis

from common.redis.leases import TakenSeats, holder
from polling import due
from polling.checks.base import GatewayCheck
from polling.checks.registry import CHECKS
from polling.drain import stopping
from polling.drain.claiming import Directory, Loaded, load
from polling.drain.fetching import calls_for, fetch
from polling.drain.outlet import Outlet
from polling.drain.recording import record
from polling.limits import seats_of
from polling.parking import park
from polling.store.schedule import Claim, NoScheduleError, Schedule, Settlement

LINGER_SECONDS = 1.0
IDLE_SECONDS = 0.2

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Drain:
    """Works off one schedule after the other until its time is up, it is told to stop, or nothing is due."""

    redis: Redis
    outlet: Outlet
    chance: Random
    should_stop: Callable[[], bool] = stopping.is_wanted

    def run(self) -> int:
        """Returns the number of cards that were claimed."""
        ends_at = time.monotonic() + settings.POLLING.drain_seconds
        idle_since = time.monotonic()
        total = 0
        while time.monotonic() < ends_at and not self.should_stop():
            try:
                claimed = sum(self._batch(check) for check in CHECKS.values())
            except NoScheduleError:
                log.warning("no_schedule", what_to_do="wait for the walk, or run init_polling")
                break
            total += claimed
            if claimed:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > LINGER_SECONDS:
                break
            else:
                time.sleep(IDLE_SECONDS)
        return total

    def _batch(self, check: GatewayCheck) -> int:
        schedule = Schedule(self.redis, check.type)
        # One at least, so that somebody claims, and is seen to, also when nothing is due.
        wanted = max(1, min(schedule.due(), settings.POLLING.batch_cards))
        with seats_of(self.redis, check.type).taken(wanted) as seats:
            if not seats:
                return 0
            close_old_connections()
            # PostgreSQL is asked before anything is claimed: during an outage no claim is lost.
            directory = Directory.read(timezone.now())
            ttl, here = timedelta(seconds=settings.POLLING.claim_seconds), holder()
            # A suspect goes alone: when it brings the process down, none of its neighbours is blamed.
            taken = schedule.claim_alone(ttl=ttl, holder=here)
            if not taken.claims:
                taken = schedule.claim(wanted, ttl=ttl, holder=here)
            if taken.to_park:
                park(check.type, schedule, taken.to_park)
            if taken.claims:
                self._check(check, schedule, taken.claims, directory, seats)
            return len(taken.claims)

    def _check(
        self,
        check: GatewayCheck,
        schedule: Schedule,
        claims: list[Claim],
        directory: Directory,
        seats: TakenSeats,
    ) -> None:
        settled: list[Settlement] = []
        try:
            loaded = load(check.type, claims, directory)
            settled += _without_call(loaded, self.chance)
            calls = calls_for(loaded.cards, directory.gateways, self.chance)[: len(seats)]
            seats.keep(len(calls))
            answered = self.outlet.run(
                lambda outgoing: fetch(check, calls, outgoing, should_stop=self.should_stop)
            )
            settled += record(check, answered, self.chance)
        finally:
            # Whatever went wrong, claims without a result go back where they were, and count nothing.
            schedule.settle(settled + _given_back(claims, settled))


def _without_call(loaded: Loaded, chance: Random) -> list[Settlement]:
    closed = [Settlement(claim, due.after_gateway_trouble(chance)) for claim in loaded.closed]
    return closed + [Settlement(claim, None) for claim in loaded.unwanted]


def _given_back(claims: list[Claim], settled: list[Settlement]) -> list[Settlement]:
    done = {settlement.claim for settlement in settled}
    return [Settlement(claim, -claim.overdue) for claim in claims if claim not in done]
