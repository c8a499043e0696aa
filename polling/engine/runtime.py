"""The resources that the drains of one worker process share, created on first use and kept between drains."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from threading import Barrier
from typing import Any, ParamSpec, TypeVar

import structlog
import uvloop
from django.conf import settings
from django.db import connections

from common.http.outgoing import Outgoing
from common.logs import name_of
from common.outages import one_line

# The maximum number of open connections to gateways. One process never runs that many calls at once, so no
# call should have to wait for a connection.
CONNECTIONS = 500
# With two threads, one can claim and hydrate while the other records and settles.
THREADS = 2

log = structlog.get_logger(__name__)

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class WorkerRuntime:
    """An event loop for HTTP, its connections to gateways, and two threads for PostgreSQL and Redis."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._runner.get_loop().set_exception_handler(_log_in_one_line)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="drain")
        self._jobs: set[asyncio.Future[Any]] = set()
        self._outgoing: Outgoing | None = None

    def run(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        """Run `use` to its end and return its result. Connections opened by earlier runs are reused."""
        return self._runner.run(self._use(use))

    async def in_thread(
        self, work: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Value:
        """Run blocking work in a thread and return its result.

        If the caller is cancelled, the work continues, and `run` does not return before the work ends.
        """
        call = partial(copy_context().run, work, *args, **kwargs)
        job = asyncio.get_running_loop().run_in_executor(self._threads, call)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await asyncio.shield(job)

    def close(self) -> None:
        """Close the connections, the threads and the event loop."""
        if self._outgoing:
            self._runner.run(self._outgoing.close())
        self._runner.close()
        # Each thread must close its own connection to PostgreSQL. The barrier keeps one thread from taking
        # both jobs.
        together = Barrier(THREADS)
        for closing in [self._threads.submit(_close_database, together) for _ in range(THREADS)]:
            closing.result()
        self._threads.shutdown()

    async def _use(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        if self._outgoing is None:
            networks = settings.COMMON.gateway_networks
            self._outgoing = Outgoing(allowed_networks=networks, connections=CONNECTIONS)
        # Let the loop run once, so that it notices connections that gateways have closed since the last
        # drain.
        await asyncio.sleep(0)
        try:
            return await use(self._outgoing)
        finally:
            if self._jobs:
                await asyncio.wait(self._jobs)


@cache
def of_this_process() -> WorkerRuntime:
    """Set up this worker process for drains and return its runtime. Call this only after the fork."""
    # Modules are never freed, so don't let the garbage collector visit them.
    gc.collect()
    gc.freeze()
    return WorkerRuntime()


def _log_in_one_line(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log the error of background work whose result was never used, for example because its drain had failed.

    Without this handler, asyncio would log a traceback.
    """
    error = context.get("exception")
    reason = (one_line(error) or name_of(error)) if error else context["message"]
    log.warning("background_error", reason=reason)


def _close_database(together: Barrier) -> None:
    together.wait(10)
    connections.close_all()
