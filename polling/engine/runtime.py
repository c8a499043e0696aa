"""What the drains of one worker process share. It is made on first use and kept between drains."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from threading import Barrier
from typing import Any, ParamSpec, TypeVar

import uvloop
from django.conf import settings
from django.db import connections

from common.http.outgoing import Outgoing

# More than any limit a single process could fill.
CONNECTIONS = 500
# One claims and hydrates while the other records and settles.
THREADS = 2
# The garbage collector runs after this many new objects.
GARBAGE_AFTER = 20_000

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class WorkerRuntime:
    """An event loop for HTTP, its connections to gateways, and two threads for PostgreSQL and Redis."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="drain")
        self._jobs: set[asyncio.Future[Any]] = set()
        self._outgoing: Outgoing | None = None

    def run(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        """Run `use` to its end, with the HTTP connections of earlier runs."""
        return self._runner.run(self._use(use))

    async def in_thread(
        self, work: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Value:
        """Run blocking work in a thread. If the caller is cancelled, the work goes on and `run` waits for it."""
        call = partial(copy_context().run, work, *args, **kwargs)
        job = asyncio.get_running_loop().run_in_executor(self._threads, call)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await asyncio.shield(job)

    def close(self) -> None:
        """Close connections, threads and loop."""
        if self._outgoing:
            self._runner.run(self._outgoing.close())
        self._runner.close()
        # Each thread has its own connection to PostgreSQL; the barrier makes both of them close it.
        together = Barrier(THREADS)
        for closing in [self._threads.submit(_close_database, together) for _ in range(THREADS)]:
            closing.result()
        self._threads.shutdown()

    async def _use(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        if self._outgoing is None:
            networks = settings.COMMON.gateway_networks
            self._outgoing = Outgoing(allowed_networks=networks, connections=CONNECTIONS)
        # One turn of the loop, so that it notices connections that gateways have closed meanwhile.
        await asyncio.sleep(0)
        try:
            return await use(self._outgoing)
        finally:
            if self._jobs:
                await asyncio.wait(self._jobs)


@cache
def of_this_process() -> WorkerRuntime:
    """Set up this worker process for drains and return its runtime. Call it only after the fork."""
    # Imported modules stay for good, and drains leave few cycles: collecting took a twelfth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    return WorkerRuntime()


def _close_database(together: Barrier) -> None:
    together.wait(10)
    connections.close_all()
