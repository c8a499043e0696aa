"""Measures how fast a web process answers API requests of an administrator and of a small agent's user."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import requests

from cards.models import Card
from lab.benchmark.rates import percentile
from lab.stack.stack import Stack
from polling.triggers.choosing import MAX_CARDS

PREFIX = "/api/v1"
MANUAL = "polling-manual-trigger"
SECONDS = 30
# Raise the rate limits, because otherwise the API would refuse most of the benchmark's requests.
UNLIMITED = {
    "ACCOUNTS_READS_PER_MINUTE": "1000000",
    "ACCOUNTS_WRITES_PER_MINUTE": "1000000",
    "POLLING_MANUAL_CALLS_ADMINISTRATOR": "1000000",
    "POLLING_MANUAL_CALLS_AGENT": "1000000",
}
STAFF_PATHS = (
    "polling-stats",
    "polling-stats/queues",
    "polling-stats/tasks",
    "polling-stats/init-progress",
    "polling-configs",
    "polling-concurrency",
    "pauses",
    "gateways",
    "operations",
)
# Upper bounds in ms for the 95th percentile of the response times, with a fleet of a million cards.
MUST_MS = {
    "polling-stats": 50,
    "polling-configs": 50,
    f"{MANUAL}/status": 50,
    f"{MANUAL}/batch": 100,
    f"{MANUAL}/by-condition": 100,
}
COMMON_PATHS = ("carriers", "agents", "check-failures", f"{MANUAL}/history")


@dataclass(frozen=True)
class RequestTimes:
    """The response times of one kind of request, all sent by one user.

    `must` is the upper bound in ms for the 95th percentile, or None if there is no bound.
    """

    who: str
    request: str
    milliseconds: list[float]
    must: int | None = None

    @property
    def verdict(self) -> str:
        """`met` or `MISSED`; an empty string if there is no bound."""
        if self.must is None:
            return ""
        return "met" if self.p95 < self.must else "MISSED"

    @property
    def p50(self) -> float:
        return percentile(self.milliseconds, 0.5)

    @property
    def p95(self) -> float:
        return percentile(self.milliseconds, 0.95)


class Caller:
    """A client that sends one user's requests over one connection.

    `line` describes the user. It is one parsed line of the output of `lab.benchmark.api_users`.
    """

    def __init__(self, site: str, line: dict[str, Any]) -> None:
        self.who: str = line["who"]
        self.is_staff: bool = line["is_staff"]
        self.cards: list[int] = line["cards"]
        self._address = f"{site}{PREFIX}/"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {line['token']}"

    @classmethod
    def create_all(cls, stack: Stack, site: str) -> list[Self]:
        """Create the users in the stack's database and return a caller for each."""
        lines = stack.run("-m", "lab.benchmark.api_users", str(MAX_CARDS)).splitlines()
        return [cls(site, json.loads(line)) for line in lines]

    def ask(self, path: str, body: Any = None) -> tuple[float, Any]:
        """Send a request, and return the response time in ms and the parsed JSON of the response.

        The method is POST if `body` is given, and GET otherwise. Raise requests.RequestException if the
        request fails or the response's status is an error.
        """
        begun = time.perf_counter()
        method = "GET" if body is None else "POST"
        answer = self._session.request(method, self._address + path, json=body, timeout=SECONDS)
        took = 1000 * (time.perf_counter() - begun)
        answer.raise_for_status()
        return took, answer.json()


def measure(caller: Caller, *, rounds: int) -> Iterator[RequestTimes]:
    """Send each kind of request `rounds` times, and yield the response times of each kind."""
    for path in (*(STAFF_PATHS if caller.is_staff else ()), *COMMON_PATHS):
        took = [caller.ask(path)[0] for _ in range(rounds)]
        yield RequestTimes(caller.who, f"GET {path}", took, MUST_MS.get(path.partition("/")[0]))
    selections: dict[str, dict[str, Any]] = {
        "batch": {"card_ids": caller.cards},
        "by-condition": {"status": Card.Status.ACTIVATED.value},
    }
    states = []
    for name, selection in selections.items():
        triggers = []
        for _ in range(rounds):
            milliseconds, trigger = caller.ask(f"{MANUAL}/{name}", {"task_type": "carddata", **selection})
            triggers.append(milliseconds)
            states.append(caller.ask(f"{MANUAL}/status?trigger_id={trigger['trigger_id']}")[0])
            # Cancel the trigger. Otherwise the next trigger by condition would skip its waiting cards.
            caller.ask(f"{MANUAL}/cancel", {"trigger_id": trigger["trigger_id"]})
        yield RequestTimes(
            caller.who,
            f"POST {MANUAL}/{name}, {trigger['accepted']:,} cards",
            triggers,
            MUST_MS[f"{MANUAL}/{name}"],
        )
    yield RequestTimes(
        caller.who, f"GET {MANUAL}/status, {len(caller.cards):,} cards", states, MUST_MS[f"{MANUAL}/status"]
    )
