"""A client of a simulator that runs in another process or thread."""

import json
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

# The timeout of a GET is long, because the call log of a long run has tens of megabytes.
LOG_SECONDS = 30
SECONDS = 5


@dataclass(frozen=True)
class RunningSimulator:
    """A client of the simulator that listens on `port` of this machine.

    Example::

        simulator = RunningSimulator(8100)
        simulator.fault(path="/c/northwind", kind="error", share=0.1)
        simulator.calls()
    """

    port: int

    @property
    def url(self) -> str:
        """The simulator's URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def fault(self, **fault: Any) -> None:
        """Switch a fault on, or off if `share` is 0. The arguments are the fields of `Fault` or `CounterFault`."""
        self._put("/_sim/faults", fault)

    def set_clock(self, now: datetime | None) -> None:
        """Set the simulated time to `now`; it runs on from there. None returns to the machine's time."""
        self._put("/_sim/clock", {"now": now and now.isoformat()})

    def clock(self) -> datetime:
        """Return the simulated time."""
        return datetime.fromisoformat(json.loads(self._get("/_sim/clock"))["now"])

    def calls(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the logged calls from number `since` on, oldest first. The first call has number 0."""
        return [json.loads(line) for line in self._get(f"/_sim/calls?since={since}").splitlines()]

    def calls_ended(self, count: int) -> list[dict[str, Any]]:
        """Wait up to 5 s until the log holds `count` calls, and return all calls in it.

        The wait is needed because the simulator takes a moment to notice that a caller has hung up.
        """
        ends_at = time.monotonic() + SECONDS
        while len(calls := self.calls()) < count and time.monotonic() < ends_at:
            time.sleep(0.01)
        return calls

    def truth(self, iccid: str, at: datetime) -> dict[str, str]:
        """Return the true state of a card at a moment, as the simulator knows it.

        The keys include `used_mb`, `real_name_status` and `network_status`.
        """
        found: dict[str, str] = json.loads(self._get(f"/_sim/cards/{iccid}?at={quote(at.isoformat())}"))
        return found

    def _put(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode(), method="PUT")  # noqa: S310
        urllib.request.urlopen(request, timeout=SECONDS).close()  # noqa: S310 (always http, on this machine)

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=LOG_SECONDS) as answer:  # noqa: S310
            body: bytes = answer.read()
        return body
