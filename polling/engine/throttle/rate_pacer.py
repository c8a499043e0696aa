"""Pace calls to a gateway that limits calls per second.

Each call needs a turn. Turns are reserved shortly before they begin.
"""

import time
from collections import deque
from dataclasses import replace
from threading import Lock

from common.redis.rate_limiter import Rate, Turns

# A turn that is not used within this time is void, because several late turns at once would exceed the rate.
LATE_SECONDS = 0.05


class RatePacer:
    """The turns that one drain has reserved at one gateway.

    Threads reserve turns, and the event loop takes them.
    """

    def __init__(self, rate: Rate, *, per_second: int) -> None:
        self.per_second = per_second
        self._rate = rate
        self._turns: deque[float] = deque()
        self._reserving, self._using = Lock(), Lock()

    def reserve(self, calls: int) -> Turns:
        """Reserve turns until one is held for each of `calls` calls, as far as the rate allows.

        In the result, `count` is the number of turns held, and `next_free` is the number of seconds until the
        first unreserved turn.
        """
        with self._reserving:
            missing = max(0, calls - self._drop_void())
            # Reserve turns slightly further apart than the rate requires, so that calls that use their turns
            # late still stay within the rate.
            more = self._rate.reserve(missing, per_second=self.per_second / (1 + LATE_SECONDS))
            now = time.monotonic()
            with self._using:
                self._turns.extend(now + more.first + turn * more.apart for turn in range(more.count))
            return replace(more, count=self._drop_void())

    def due_in(self) -> float | None:
        """Return the seconds until the next reserved turn; 0 if it is due, None if no turn is reserved."""
        self._drop_void()
        with self._using:
            return max(0.0, self._turns[0] - time.monotonic()) if self._turns else None

    def take(self) -> bool:
        """Use a turn that is due; return False if none is due."""
        self._drop_void()
        with self._using:
            is_due = bool(self._turns) and self._turns[0] <= time.monotonic()
            if is_due:
                self._turns.popleft()
            return is_due

    def _drop_void(self) -> int:
        """Drop void turns; return how many turns are left."""
        with self._using:
            while self._turns and self._turns[0] < time.monotonic() - LATE_SECONDS:
                self._turns.popleft()
            return len(self._turns)
