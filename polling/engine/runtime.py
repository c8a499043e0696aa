"""What the drains of one worker process share: made when first used, kept between drains."""

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
# One claims and loads while the other records and settles.
THREADS = 2
# So many objects more than before, and cycles are looked for.
GARBAGE_AFTER = 20_000

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class WorkerRuntime:
    """An event loop for HTTP, its connections to gateways, and two threads for PostgreSQL and Redis."""

    def __init__(self) -> None:
        """Nothing is opened yet."""
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="drain")
        self._jobs: set[asyncio.Future[Any]] = set()
        self._outgoing: Outgoing | None = None

    def run(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        """Run `use` to its end, with the connections kept from earlier runs."""
        return self._runner.run(self._use(use))

    async def in_thread(
        self, work: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Value:
        """Run what blocks in a thread. When the caller is cancelled the work goes on, and `run` waits for it."""
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
        # Each thread has its own connection to PostgreSQL; the barrier makes sure that both get to close it.
        together = Barrier(THREADS)
        for closing in [self._threads.submit(_close_database, together) for _ in range(THREADS)]:
            closing.result()
        self._threads.shutdown()

    async def _use(self, use: Callable[[Outgoing], Awaitable[Value]]) -> Value:
        if self._outgoing is None:
            networks = settings.COMMON.gateway_networks
            self._outgoing = Outgoing(allowed_networks=networks, connections=CONNECTIONS)
        # One turn of the loop, in which it sees the connections that gateways have closed meanwhile.
        await asyncio.sleep(0)
        try:
            return await use(self._outgoing)
        finally:
            if self._jobs:
                await asyncio.wait(self._jobs)


@cache
def of_this_process() -> WorkerRuntime:
    """The outlet of a worker process, which is set up for drains by this. Call it only after the fork."""
    # What was imported stays for good, and drains leave few cycles: looking for them took a twelfth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    return WorkerRuntime()


def _close_database(together: Barrier) -> None:
    together.wait(10)
    connections.close_all()
