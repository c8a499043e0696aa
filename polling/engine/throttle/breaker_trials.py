"""Open breakers are probed: one call, by one drain of all, tells whether the gateway answers again."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import structlog
from django.db import close_old_connections
from redis.exceptions import RedisError

from cards.models import CheckType
from carriers.clients.base import GatewayBusyError, GatewayError
from carriers.models import Gateway
from polling.checks.test_call import ask, sample_of
from polling.engine.stream import EngineContext
from polling.policy.config_snapshot import ConfigSnapshot

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Probe:
    """One call to a gateway about one of its cards; None: it has none, so nobody needs an answer."""

    gateway: Gateway
    iccid: str | None
    check_type: CheckType


class Probes:
    """The probes that one drain makes."""

    def __init__(self, context: EngineContext) -> None:
        """None at first."""
        self._context = context
        self._running: set[asyncio.Task[None]] = set()

    @property
    def are_running(self) -> bool:
        """Whether one is under way."""
        return bool(self._running)

    async def look(self) -> None:
        """Begin those that are due, unless another drain does."""
        throttle, in_thread = self._context.throttle, self._context.runtime.in_thread
        for gateway_id in throttle.trials_due():
            if self._context.lifetime.may_call and await in_thread(throttle.begin_trial, gateway_id):
                task = asyncio.create_task(self._probe(gateway_id))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def cut(self) -> None:
        """End those that run: their gateways rest again."""
        for task in self._running:
            task.cancel()

    async def end(self) -> None:
        """Wait for those that run: their deadline is the gateway's."""
        if self._running:
            await asyncio.wait(self._running)

    async def _probe(self, gateway_id: int) -> None:
        in_thread = self._context.runtime.in_thread
        has_answered, rest = False, timedelta()
        try:
            probe = await in_thread(_prepare, gateway_id, self._context.chance)
            if probe:
                await self._ask(probe)
                has_answered = True
        except GatewayError as error:
            rest = error.rest if isinstance(error, GatewayBusyError) else rest
            log.info("gateway_probed", gateway_id=gateway_id, trouble=str(error))
        except Exception:
            log.exception("gateway_probe_broke", gateway_id=gateway_id)
        finally:
            end = self._context.throttle.end_trial
            with suppress(RedisError):
                await in_thread(end, gateway_id, has_answered=has_answered, rest=rest)

    async def _ask(self, probe: Probe) -> None:
        if probe.iccid:
            await ask(probe.gateway, probe.iccid, self._context.outgoing, probe.check_type)
            log.info("gateway_probed", gateway_id=probe.gateway.pk, trouble="")


def _prepare(gateway_id: int, chance: Random) -> Probe | None:
    """Whom to ask what; None while it must not be called for other reasons than its breaker."""
    close_old_connections()
    snapshot = ConfigSnapshot.read()
    gateway = snapshot.gateways.get(gateway_id)
    if gateway is None or snapshot.opens_in(gateway) is not None:
        return None
    for check_type in (CheckType.DATA_USAGE, CheckType.REAL_NAME):
        if snapshot.paused_for(check_type, gateway.carrier_id) is None:
            return Probe(gateway, sample_of(gateway, chance), check_type)
    return None
