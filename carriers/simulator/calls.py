"""The simulator's call log: the judge of every fault test."""

from collections import deque
from collections.abc import Sequence
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

    def begin(self) -> tuple[datetime, int]:
        """A call has come in; what is returned goes to `end`."""
        self._in_flight += 1
        return datetime.now(UTC), self._in_flight

    def end(self, begun: tuple[datetime, int], path: str, iccids: Sequence[str]) -> None:
        """The call has been answered, or its caller has gone away."""
        self._in_flight -= 1
        self._total += 1
        self._calls.append((begun[0], datetime.now(UTC), path, iccids, begun[1]))

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
