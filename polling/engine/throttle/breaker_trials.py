"""Breaker trials test whether a gateway with an open breaker answers again.

A trial is a single call. If several drains run, only one of them makes it.
"""

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
class Trial:
    """A test call to a gateway about one of its cards.

    If `iccid` is None, the gateway has no polled card. Then no call is made, and the trial counts as a success.
    """

    gateway: Gateway
    iccid: str | None
    check_type: CheckType


class BreakerTrials:
    """The trial calls of one drain."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._running: set[asyncio.Task[None]] = set()

    @property
    def are_running(self) -> bool:
        """Return whether a trial call is running."""
        return bool(self._running)

    async def begin_due(self) -> None:
        """Begin the trials that are due, unless another drain makes them."""
        throttle, in_thread = self._context.throttle, self._context.runtime.in_thread
        for gateway_id in throttle.trials_due():
            if self._context.lifetime.may_call and await in_thread(throttle.begin_trial, gateway_id):
                task = asyncio.create_task(self._run(gateway_id))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        """Cancel running trials. Their gateways then rest again."""
        for task in self._running:
            task.cancel()

    async def wait(self) -> None:
        """Wait until running trials have ended. Each ends within its gateway's deadline."""
        if self._running:
            await asyncio.wait(self._running)

    async def _run(self, gateway_id: int) -> None:
        in_thread = self._context.runtime.in_thread
        has_answered, rest, trouble = False, timedelta(), ""
        try:
            trial = await in_thread(_prepare, gateway_id, self._context.chance)
            if trial:
                await self._ask(trial)
                has_answered = True
        except GatewayError as error:
            rest = error.rest if isinstance(error, GatewayBusyError) else rest
            trouble = str(error)
            log.info("gateway_probed", gateway_id=gateway_id, trouble=trouble)
        except Exception:
            log.exception("gateway_probe_broke", gateway_id=gateway_id)
        finally:
            end = self._context.throttle.end_trial
            with suppress(RedisError):
                await in_thread(end, gateway_id, has_answered=has_answered, rest=rest, trouble=trouble)

    async def _ask(self, trial: Trial) -> None:
        if trial.iccid:
            await ask(trial.gateway, trial.iccid, self._context.outgoing, trial.check_type)
            log.info("gateway_probed", gateway_id=trial.gateway.pk, trouble="")


def _prepare(gateway_id: int, chance: Random) -> Trial | None:
    """Choose the call of a trial.

    Return None if the gateway must not be called at all, because it or its checks are disabled or paused.
    """
    close_old_connections()
    snapshot = ConfigSnapshot.read()
    gateway = snapshot.gateways.get(gateway_id)
    if gateway is None or snapshot.opens_in(gateway) is not None:
        return None
    for check_type in (CheckType.DATA_USAGE, CheckType.REAL_NAME):
        if snapshot.paused_for(check_type, gateway.carrier_id) is None:
            return Trial(gateway, sample_of(gateway, chance), check_type)
    return None
