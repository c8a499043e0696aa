"""The pace at a gateway that takes so many calls a second: each call has its turn, reserved a little ahead."""

import time
from collections import deque
from dataclasses import replace
from threading import Lock

from common.redis.rate_limiter import Rate, Turns

# A turn that was not used by then is void: calls that bunch up would be more a second than the gateway takes.
LATE_SECONDS = 0.05


class RatePacer:
    """The turns that one drain has reserved at one gateway. Threads reserve, the event loop takes them."""

    def __init__(self, rate: Rate, *, per_second: int) -> None:
        """None at first."""
        self.per_second = per_second
        self._rate = rate
        self._turns: deque[float] = deque()
        self._reserving, self._using = Lock(), Lock()

    def reserve(self, calls: int) -> Turns:
        """Have turns for `calls` calls, as far as the rate lets; returns them, with when the next one is free."""
        with self._reserving:
            missing = max(0, calls - self._in_time())
            # A little apart, so that turns which are used late are not too many a second.
            more = self._rate.reserve(missing, per_second=self.per_second / (1 + LATE_SECONDS))
            now = time.monotonic()
            with self._using:
                self._turns.extend(now + more.first + turn * more.apart for turn in range(more.count))
            return replace(more, count=self._in_time())

    def due_in(self) -> float | None:
        """Seconds until the next turn; 0 when it is now, None when there is none."""
        self._in_time()
        with self._using:
            return max(0.0, self._turns[0] - time.monotonic()) if self._turns else None

    def take(self) -> bool:
        """Begin a call in the turn that is due; False when none is."""
        self._in_time()
        with self._using:
            is_due = bool(self._turns) and self._turns[0] <= time.monotonic()
            if is_due:
                self._turns.popleft()
            return is_due

    def _in_time(self) -> int:
        """How many turns there are, without those that are void."""
        with self._using:
            while self._turns and self._turns[0] < time.monotonic() - LATE_SECONDS:
                self._turns.popleft()
            return len(self._turns)
