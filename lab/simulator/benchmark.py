"""A benchmark of the simulator on one core, compared with a bare server that always sends the same answer.

Each server runs in its own process. The benchmark counts requests per second of the server's CPU time,
because other load on the machine hardly changes that figure.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Any

import psutil
import uvloop

from carriers.clients.signing import Signer
from lab.simulator.fleet import CARRIERS
from lab.simulator.http import Answer, HttpProtocol
from lab.simulator.server import SimulatorServer

CONNECTIONS = 32
PATH = f"/c/{CARRIERS[0].code}/v1/usage"
BODY = b'{"iccids":["' + CARRIERS[0].prefix.encode() + b'00000000000001"]}'
SIGNER = Signer("demo", b"the benchmark's own")


@dataclass(frozen=True)
class SimulatorSpeed:
    """How many one-card requests the simulator and the bare server answer per second of their CPU time."""

    simulator: float
    bare: float

    @property
    def ratio(self) -> float:
        """The simulator's speed divided by the bare server's."""
        return self.simulator / self.bare


def measure(*, port: int, seconds: float) -> SimulatorSpeed:
    """Measure the two servers one after the other, each for `seconds`, on `port` of 127.0.0.1.

    Raise RuntimeError if a server does not start or sends a wrong answer.
    """
    bare = _measure(_serve_bare, port, seconds)
    return SimulatorSpeed(_measure(_serve_simulator, port, seconds), bare)


def _measure(serve: Callable[[int], Awaitable[None]], port: int, seconds: float) -> float:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    server = context.Process(target=_run_server, args=(serve, port, ready), daemon=True)
    server.start()
    try:
        if not ready.wait(20):
            raise RuntimeError("the server did not start")
        return uvloop.run(_load(port, seconds, server.pid or 0))
    finally:
        server.terminate()
        server.join()


def _run_server(serve: Callable[[int], Awaitable[None]], port: int, ready: Event) -> None:
    async def run() -> None:
        await serve(port)
        ready.set()
        await asyncio.sleep(3600)

    uvloop.run(run())


async def _serve_simulator(port: int) -> None:
    await SimulatorServer(SIGNER).start(port)


async def _serve_bare(port: int) -> None:
    answer = Answer(200, b'{"code":0,"data":[]}')
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: HttpProtocol(lambda _: answer, set()), "127.0.0.1", port)


class _Client(asyncio.Protocol):
    """One connection that sends the next request as soon as the previous one is answered."""

    def __init__(self, counter: list[int]) -> None:
        self._counter = counter
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(_request())

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the server answered {data[:40]!r}")
        self._counter[0] += 1
        self._transport.write(_request())


async def _load(port: int, seconds: float, server_pid: int) -> float:
    counter = [0]
    loop = asyncio.get_running_loop()
    connections = [
        await loop.create_connection(lambda: _Client(counter), "127.0.0.1", port) for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(seconds / 4)
    first, spent = counter[0], _cpu_seconds(server_pid)
    await asyncio.sleep(seconds)
    rate = (counter[0] - first) / (_cpu_seconds(server_pid) - spent)
    for transport, _ in connections:
        transport.close()
    return rate


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _request() -> bytes:
    headers = SIGNER.headers(timestamp=int(time.time()), nonce=os.urandom(8).hex(), path=PATH, body=BODY)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
