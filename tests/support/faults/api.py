"""Who calls the API of a stack."""

import time
from concurrent.futures import ThreadPoolExecutor

import requests

from lab.stack.processes import WEB_THREADS
from tests.faults.conftest import Stack
from tests.support.faults.judge import TYPE

# More than there are threads that answer.
CALLERS = WEB_THREADS + 4
PATHS = ("polling-configs", "gateways", "agents", "operations", "polling-manual-trigger/history")
# Seconds, and what was answered.
Timed = tuple[float, requests.Response]


class Api:
    """The API of a stack, and somebody who may use all of it."""

    def __init__(self, stack: Stack) -> None:
        self._site = stack.start_web()
        self._headers = {"Authorization": f"Bearer {stack.token}"}

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self._site}/api/v1/{path}", headers=self._headers, timeout=30)

    def trigger(self, card_id: int, *, idempotency_key: str = "") -> requests.Response:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return requests.post(
            f"{self._site}/api/v1/polling-manual-trigger/single",
            json={"card_id": card_id, "task_type": TYPE},
            headers={**self._headers, **headers},
            timeout=20,
        )

    def read_once_each(self) -> list[Timed]:
        """What callers who ask at the same moment meet."""
        with ThreadPoolExecutor(CALLERS) as threads:
            return list(threads.map(self._read, range(CALLERS)))

    def read(self, *, seconds: float) -> list[Timed]:
        """What many callers who ask at the same time meet, again and again."""
        answers: list[Timed] = []
        ends = time.monotonic() + seconds
        with ThreadPoolExecutor(CALLERS) as threads:
            while time.monotonic() < ends:
                answers += threads.map(self._read, range(CALLERS * 2))
        return answers

    def _read(self, number: int) -> Timed:
        begun = time.perf_counter()
        answer = self.get(PATHS[number % len(PATHS)])
        return time.perf_counter() - begun, answer
