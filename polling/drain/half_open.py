"""Open breakers are probed: one call, by one drain of all, tells whether the gateway answers again."""

import asyncio

import structlog
from django.db import close_old_connections

from cards.models import CheckType
from carriers.models import Gateway
from polling.drain.directory import Directory
from polling.drain.stream import Means
from polling.probing import sample_of, trouble_of

log = structlog.get_logger(__name__)


class Probes:
    """The probes that one drain makes."""

    def __init__(self, means: Means) -> None:
        """None at first."""
        self._means = means
        self._running: set[asyncio.Task[None]] = set()

    @property
    def are_running(self) -> bool:
        """Whether one is under way."""
        return bool(self._running)

    async def look(self) -> None:
        """Begin those that are due, unless another drain does."""
        gates, in_thread = self._means.gates, self._means.outlet.in_thread
        for gateway_id in gates.probes_due():
            if self._means.lifetime.may_call and await in_thread(gates.begin_probe, gateway_id):
                task = asyncio.create_task(self._probe(gateway_id))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def cut(self) -> None:
        """End those that run; another drain makes them when their lease is over."""
        for task in self._running:
            task.cancel()

    async def end(self) -> None:
        """Wait for those that run: their deadline is the gateway's."""
        if self._running:
            await asyncio.wait(self._running)

    async def _probe(self, gateway_id: int) -> None:
        in_thread = self._means.outlet.in_thread
        has_answered = False
        try:
            probe = await in_thread(_prepare, gateway_id)
            if probe:
                gateway, iccid = probe
                trouble = await trouble_of(gateway, iccid, self._means.outgoing) if iccid else ""
                has_answered = not trouble
                log.info("gateway_probed", gateway=gateway.name, trouble=trouble)
        except Exception:
            log.exception("gateway_probe_broke", gateway_id=gateway_id)
        finally:
            await in_thread(self._means.gates.end_probe, gateway_id, has_answered=has_answered)


def _prepare(gateway_id: int) -> tuple[Gateway, str | None] | None:
    """Whom to ask about which card, if it has any; None while it must not be called for other reasons."""
    close_old_connections()
    directory = Directory.read()
    gateway = directory.gateways.get(gateway_id)
    if gateway is None or directory.opens_in(gateway) is not None:
        return None
    if directory.paused_for(CheckType.DATA_USAGE, gateway.carrier_id) is not None:
        return None
    return gateway, sample_of(gateway)
