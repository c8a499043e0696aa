"""The gateway simulator in a thread: real HTTP on loopback, and its own record of what was asked."""

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from carriers.clients.signing import Signer
from carriers.simulator.server import SimulatorServer
from config.local.servers import free_port

SECRET = "a secret of the tests"


@dataclass(frozen=True)
class RunningSimulator:
    """Where a simulator is, and what can be asked of it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, **fault: Any) -> None:
        """Switch a fault on, or off with share=0."""
        self._put("/_sim/faults", fault)

    def set_clock(self, now: datetime | None) -> None:
        """Let the simulated world run on from `now`; None: with the machine's clock again."""
        self._put("/_sim/clock", {"now": now and now.isoformat()})

    def clock(self) -> datetime:
        """The moment of the simulated world."""
        return datetime.fromisoformat(json.loads(self._get("/_sim/clock"))["now"])

    def calls(self, since: int = 0) -> list[dict[str, Any]]:
        """The log, oldest first."""
        return [json.loads(line) for line in self._get(f"/_sim/calls?since={since}").splitlines()]

    def calls_ended(self, count: int) -> list[dict[str, Any]]:
        """The log once it has `count` calls: that a caller hung up is noticed a moment later."""
        ends_at = time.monotonic() + 5
        while len(calls := self.calls()) < count and time.monotonic() < ends_at:
            time.sleep(0.01)
        return calls

    def truth(self, iccid: str, at: datetime) -> dict[str, str]:
        """What a card was at a moment."""
        found: dict[str, str] = json.loads(self._get(f"/_sim/cards/{iccid}?at={quote(at.isoformat())}"))
        return found

    def _put(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode(), method="PUT")
        urllib.request.urlopen(request, timeout=5).close()

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            body: bytes = answer.read()
        return body


@contextmanager
def running_simulator() -> Iterator[RunningSimulator]:
    """A simulator until the end of the block."""
    port, ready = free_port(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = SimulatorServer(Signer("demo", SECRET.encode()))
        await server.start(port)
        ready.set()
        await stop.wait()
        server.close()
        # One turn of the loop, in which the connections are really closed.
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
