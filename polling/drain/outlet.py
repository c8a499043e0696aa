"""The event loop and the HTTP connections of one worker process: made when first used, kept between drains."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TypeVar

import uvloop
from django.conf import settings

from common.http.outgoing import Outgoing

# More than any limit a single process could fill.
CONNECTIONS = 500

Value = TypeVar("Value")


class Outlet:
    """Runs coroutines that call gateways."""

    def __init__(self) -> None:
        """Nothing is opened yet."""
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._outgoing: Outgoing | None = None

    def run(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        """Run `use` to its end, with the connections kept from earlier runs."""
        return self._runner.run(self._use(use))

    def close(self) -> None:
        """Close connections and loop."""
        if self._outgoing:
            self._runner.run(self._outgoing.close())
        self._runner.close()

    async def _use(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        if self._outgoing is None:
            networks = settings.COMMON.gateway_networks
            self._outgoing = Outgoing(allowed_networks=networks, connections=CONNECTIONS)
        return await use(self._outgoing)


@cache
def of_this_process() -> Outlet:
    """The outlet of a worker process. Call it only after the fork."""
    return Outlet()
