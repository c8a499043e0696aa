"""The gateway simulator in a thread: it serves real HTTP on loopback and records the requests."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from carriers.clients.signing import Signer
from lab.simulator.remote import RunningSimulator
from lab.simulator.server import SimulatorServer
from lab.stack.servers import free_port

SECRET = "a secret of the tests"


@contextmanager
def running_simulator() -> Iterator[RunningSimulator]:
    """Start a simulator, yield a client for its control interface, and stop it after the block."""
    port, ready = free_port(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = SimulatorServer(Signer("demo", SECRET.encode()))
        await server.start(port)
        ready.set()
        await stop.wait()
        server.close()
        # Let the event loop run once more, because it closes the connections in its next iteration.
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(5)
        yield RunningSimulator(port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
