"""A simulator that runs in another process or thread: what can be asked of it."""

import json
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

# The whole log of a long run is some tens of megabytes.
LOG_SECONDS = 30
SECONDS = 5


@dataclass(frozen=True)
class RunningSimulator:
    """Where a simulator is on this machine."""

    port: int

    @property
    def url(self) -> str:
        """Without a slash at the end."""
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
        """The log from call number `since` on, oldest first."""
        return [json.loads(line) for line in self._get(f"/_sim/calls?since={since}").splitlines()]

    def calls_ended(self, count: int) -> list[dict[str, Any]]:
        """The log once it has `count` calls: that a caller hung up is noticed a moment later."""
        ends_at = time.monotonic() + SECONDS
        while len(calls := self.calls()) < count and time.monotonic() < ends_at:
            time.sleep(0.01)
        return calls

    def truth(self, iccid: str, at: datetime) -> dict[str, str]:
        """What a card was at a moment."""
        found: dict[str, str] = json.loads(self._get(f"/_sim/cards/{iccid}?at={quote(at.isoformat())}"))
        return found

    def _put(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode(), method="PUT")  # noqa: S310
        urllib.request.urlopen(request, timeout=SECONDS).close()  # noqa: S310 (always http, on this machine)

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=LOG_SECONDS) as answer:  # noqa: S310
            body: bytes = answer.read()
        return body
