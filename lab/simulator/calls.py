"""The simulator's call log. Fault tests and drills use it to judge the engine."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

import orjson

# If either limit is exceeded, the oldest calls are dropped, so the log needs less than about 150 MB of
# memory. MAX_BYTES limits the total length of the ICCIDs.
MAX_CALLS = 200_000
MAX_BYTES = 50_000_000


class CallLog:
    """The latest calls, each with start, end, path, cards, fault, and whether the caller got the answer.

    A call's `in_flight` is the number of calls in progress at its start, including the call itself. Example::

        begun = log.begin()
        log.end(begun, "/c/northwind/v1/usage", ["89860000000000000001"])
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[datetime, datetime, str, str, int, str | None, bool]] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._total = 0

    def begin(self) -> tuple[datetime, int]:
        """Count a new call. Return its start time and the number of calls in flight, as a pair for `end`."""
        self._in_flight += 1
        return datetime.now(UTC), self._in_flight

    def end(
        self,
        begun: tuple[datetime, int],
        path: str,
        iccids: Sequence[str],
        *,
        fault: str | None = None,
        is_answered: bool = True,
    ) -> None:
        """Log a call that has ended. `is_answered` is False if the caller hung up before the answer."""
        self._in_flight -= 1
        self._total += 1
        cards = ",".join(iccids)
        self._calls.append((begun[0], datetime.now(UTC), path, cards, begun[1], fault, is_answered))
        self._bytes += len(cards)
        while len(self._calls) > MAX_CALLS or self._bytes > MAX_BYTES:
            self._bytes -= len(self._calls.popleft()[3])

    def lines(self, *, since: int = 0) -> bytes:
        """Return the calls from number `since` on as JSON lines, oldest first. Numbers begin at 0."""
        first = self._total - len(self._calls)
        return b"\n".join(
            orjson.dumps(
                {
                    "number": number,
                    "start": start,
                    "end": end,
                    "path": path,
                    "cards": cards.split(","),
                    "in_flight": at_once,
                    "fault": fault,
                    "is_answered": is_answered,
                }
            )
            for number, (start, end, path, cards, at_once, fault, is_answered) in islice(
                enumerate(self._calls, first), max(0, since - first), None
            )
        )
