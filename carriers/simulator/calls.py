"""The simulator's call log: the judge of every fault test."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

import orjson

# Older calls are forgotten: memory stays bounded.
MAX_CALLS = 200_000


class CallLog:
    """Start, end, path, cards, and calls in flight at once, of each signed call."""

    def __init__(self) -> None:
        """Empty."""
        self._calls: deque[tuple[datetime, datetime, str, Sequence[str], int]] = deque(maxlen=MAX_CALLS)
        self._in_flight = 0
        self._total = 0

    @contextmanager
    def running(self, path: str, iccids: Sequence[str]) -> Iterator[None]:
        """Log one call, from its begin to its end."""
        self._in_flight += 1
        start, in_flight = datetime.now(UTC), self._in_flight
        try:
            yield
        finally:
            self._in_flight -= 1
            self._total += 1
            self._calls.append((start, datetime.now(UTC), path, iccids, in_flight))

    def lines(self, *, since: int = 0) -> bytes:
        """JSON lines of the calls from number `since` on, oldest first."""
        first = self._total - len(self._calls)
        return b"\n".join(
            orjson.dumps(
                {"number": n, "start": start, "end": end, "path": path, "cards": cards, "in_flight": at_once}
            )
            for n, (start, end, path, cards, at_once) in islice(
                enumerate(self._calls, first), max(0, since - first), None
            )
        )
