"""A client for the API of a fault test's stack. It can send many requests at the same time."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.faults.conftest import Stack
from tests.support.faults.judge import CHECK_TYPE

# More callers than the web process has threads by default, so that some requests have to wait for a thread.
CALLERS = 12
PATHS = ("polling-configs", "gateways", "agents", "operations", "polling-manual-trigger/history")
# How many seconds the response took, and the response itself.
TimedResponse = tuple[float, requests.Response]


class Api:
    """A client that starts the web process of a stack and calls its API with an administrator's token."""

    def __init__(self, stack: Stack) -> None:
        self.site = stack.start_web()
        self._headers = {"Authorization": f"Bearer {stack.token}"}

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.site}/api/v1/{path}", headers=self._headers, timeout=30)

    def put(self, path: str, body: dict[str, object]) -> requests.Response:
        return requests.put(f"{self.site}/api/v1/{path}", json=body, headers=self._headers, timeout=30)

    def post_raw(self, path: str, body: bytes | Iterator[bytes]) -> requests.Response:
        """Send a body as it is. An iterator is sent in chunks, without a Content-Length."""
        headers = {**self._headers, "Content-Type": "application/json"}
        return requests.post(f"{self.site}/api/v1/{path}", data=body, headers=headers, timeout=30)

    def page(self, path: str) -> requests.Response:
        """Return the answer of a page that is not below `/api/`."""
        return requests.get(f"{self.site}/{path}", headers=self._headers, timeout=30)

    def timed_page(self, path: str) -> TimedResponse:
        """Return how many seconds a page took, and its answer."""
        started_at = time.perf_counter()
        answer = self.page(path)
        return time.perf_counter() - started_at, answer

    def readiness(self) -> requests.Response:
        """Return the answer of `/readyz`."""
        return self.page("readyz")

    def trigger(self, card_id: int, *, idempotency_key: str = "") -> requests.Response:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return requests.post(
            f"{self.site}/api/v1/polling-manual-trigger/single",
            json={"card_id": card_id, "task_type": CHECK_TYPE},
            headers={**self._headers, **headers},
            timeout=20,
        )

    def read_once_per_caller(self) -> list[TimedResponse]:
        """Send `CALLERS` reads at the same moment, and return their responses."""
        with ThreadPoolExecutor(CALLERS) as threads:
            return list(threads.map(self._read, range(CALLERS)))

    def read_repeatedly(self, *, seconds: float) -> list[TimedResponse]:
        """Send reads from `CALLERS` threads for `seconds`, and return all responses."""
        answers: list[TimedResponse] = []
        ends = time.monotonic() + seconds
        with ThreadPoolExecutor(CALLERS) as threads:
            while time.monotonic() < ends:
                answers += threads.map(self._read, range(CALLERS * 2))
        return answers

    def _read(self, number: int) -> TimedResponse:
        started_at = time.perf_counter()
        answer = self.get(PATHS[number % len(PATHS)])
        return time.perf_counter() - started_at, answer
