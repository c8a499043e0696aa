"""How long the API takes: requests to a real web process, as an administrator and as a small agent ask them."""

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
# What somebody may ask in a run: the limits are not what is measured.
UNLIMITED = {
    "ACCOUNTS_READS_PER_MINUTE": "1000000",
    "ACCOUNTS_WRITES_PER_MINUTE": "1000000",
    "POLLING_MANUAL_CALLS_ADMINISTRATOR": "1000000",
    "POLLING_MANUAL_CALLS_AGENT": "1000000",
}
OF_STAFF = (
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
# What 95 of 100 requests may take, in a million cards.
MUST_MS = {
    "polling-stats": 50,
    "polling-configs": 50,
    f"{MANUAL}/status": 50,
    f"{MANUAL}/batch": 100,
    f"{MANUAL}/by-condition": 100,
}
OF_EVERYBODY = ("carriers", "agents", "check-failures", f"{MANUAL}/history")


@dataclass(frozen=True)
class Took:
    """Milliseconds of the requests of one kind."""

    who: str
    request: str
    milliseconds: list[float]
    must: int | None = None

    @property
    def verdict(self) -> str:
        """Whether they took no longer than they must."""
        if self.must is None:
            return ""
        return "met" if self.p95 < self.must else "MISSED"

    @property
    def p50(self) -> float:
        """The median."""
        return percentile(self.milliseconds, 0.5)

    @property
    def p95(self) -> float:
        """Of a hundred, five took longer."""
        return percentile(self.milliseconds, 0.95)


class Caller:
    """Somebody with a token. Requests share a connection."""

    def __init__(self, site: str, told: dict[str, Any]) -> None:
        """`told` is a line of `lab.benchmark.callers`."""
        self.who: str = told["who"]
        self.is_staff: bool = told["is_staff"]
        self.cards: list[int] = told["cards"]
        self._address = f"{site}{PREFIX}/"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {told['token']}"

    @classmethod
    def of(cls, stack: Stack, site: str) -> list[Self]:
        """Who is there."""
        lines = stack.run("-m", "lab.benchmark.callers", str(MAX_CARDS)).splitlines()
        return [cls(site, json.loads(line)) for line in lines]

    def ask(self, path: str, body: Any = None) -> tuple[float, Any]:
        """Milliseconds until the answer is here, and the answer. Raises requests.RequestException."""
        begun = time.perf_counter()
        method = "GET" if body is None else "POST"
        answer = self._session.request(method, self._address + path, json=body, timeout=SECONDS)
        took = 1000 * (time.perf_counter() - begun)
        answer.raise_for_status()
        return took, answer.json()


def measure(caller: Caller, *, rounds: int) -> Iterator[Took]:
    """Every kind of request, so often each."""
    for path in (*(OF_STAFF if caller.is_staff else ()), *OF_EVERYBODY):
        took = [caller.ask(path)[0] for _ in range(rounds)]
        yield Took(caller.who, f"GET {path}", took, MUST_MS.get(path.partition("/")[0]))
    ways: dict[str, dict[str, Any]] = {
        "batch": {"card_ids": caller.cards},
        "by-condition": {"status": Card.Status.ACTIVATED.value},
    }
    states = []
    for way, wanted in ways.items():
        triggers = []
        for _ in range(rounds):
            milliseconds, trigger = caller.ask(f"{MANUAL}/{way}", {"task_type": "carddata", **wanted})
            triggers.append(milliseconds)
            states.append(caller.ask(f"{MANUAL}/status?trigger_id={trigger['trigger_id']}")[0])
            # By condition those are passed over that wait already: the next one has to find them free.
            caller.ask(f"{MANUAL}/cancel", {"trigger_id": trigger["trigger_id"]})
        yield Took(
            caller.who,
            f"POST {MANUAL}/{way}, {trigger['accepted']:,} cards",
            triggers,
            MUST_MS[f"{MANUAL}/{way}"],
        )
    yield Took(
        caller.who, f"GET {MANUAL}/status, {len(caller.cards):,} cards", states, MUST_MS[f"{MANUAL}/status"]
    )
