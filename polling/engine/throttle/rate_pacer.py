"""Pace calls to a gateway that takes a limited number per second: each call has a turn, reserved a little ahead."""

import time
from collections import deque
from dataclasses import replace
from threading import Lock

from common.redis.rate_limiter import Rate, Turns

# An unused turn is void this long after its time: calls that bunch up would exceed the rate.
LATE_SECONDS = 0.05


class RatePacer:
    """The turns that one drain has reserved at one gateway. Threads reserve them, the event loop takes them."""

    def __init__(self, rate: Rate, *, per_second: int) -> None:
        self.per_second = per_second
        self._rate = rate
        self._turns: deque[float] = deque()
        self._reserving, self._using = Lock(), Lock()

    def reserve(self, calls: int) -> Turns:
        """Hold turns for `calls` calls, as far as the rate allows; return them with the time of the next free one."""
        with self._reserving:
            missing = max(0, calls - self._drop_void())
            # Slightly further apart than the rate, so that turns that are used late stay within it.
            more = self._rate.reserve(missing, per_second=self.per_second / (1 + LATE_SECONDS))
            now = time.monotonic()
            with self._using:
                self._turns.extend(now + more.first + turn * more.apart for turn in range(more.count))
            return replace(more, count=self._drop_void())

    def due_in(self) -> float | None:
        """Return the seconds until the next turn; 0 when it is due, None when there is none."""
        self._drop_void()
        with self._using:
            return max(0.0, self._turns[0] - time.monotonic()) if self._turns else None

    def take(self) -> bool:
        """Use the turn that is due; False when none is."""
        self._drop_void()
        with self._using:
            is_due = bool(self._turns) and self._turns[0] <= time.monotonic()
            if is_due:
                self._turns.popleft()
            return is_due

    def _drop_void(self) -> int:
        """Drop void turns; return how many are left."""
        with self._using:
            while self._turns and self._turns[0] < time.monotonic() - LATE_SECONDS:
                self._turns.popleft()
            return len(self._turns)
