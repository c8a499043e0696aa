"""How long a drain lives. Seconds of the process's own monotonic clock, which nobody sets."""

import time
from collections.abc import Callable

LINGER_SECONDS = 1.0
# A worker that is asked to stop must be gone within ten seconds; a call may take as long.
CALLS_MAY_END_SECONDS = 4.0


class Lifetime:
    """Claims until its time is up, it is told to stop, or there has been nothing to do for a while."""

    def __init__(self, *, seconds: float, should_stop: Callable[[], bool]) -> None:
        """Begins now."""
        self._should_stop = should_stop
        self._young_until = time.monotonic() + seconds / 3
        self._ends_at = time.monotonic() + seconds
        self._busy_at = time.monotonic()
        self._stopped_at: float | None = None
        self._has_failed = self._has_lingered = False

    def fail(self) -> None:
        """Something of the drain has failed: the rest ends as well, and the next drain begins with all of it."""
        self._has_failed = True

    def busy(self) -> None:
        """There is something to do."""
        self._busy_at = time.monotonic()

    @property
    def is_young(self) -> bool:
        """Whether suspects may be checked alone; then it is the others' turn."""
        return self.may_call and time.monotonic() < self._young_until

    @property
    def is_up(self) -> bool:
        """Whether the time is up; there may be more to do for the next drain."""
        return time.monotonic() >= self._ends_at

    @property
    def seconds_left(self) -> float:
        """Until the time is up."""
        return self._ends_at - time.monotonic()

    @property
    def may_claim(self) -> bool:
        """Whether more cards may be claimed. Once not, never again: a stream that has ended does not come back."""
        self._has_lingered = self._has_lingered or time.monotonic() - self._busy_at >= LINGER_SECONDS
        return self.may_call and not self._has_lingered

    @property
    def may_call(self) -> bool:
        """Whether another call may begin. The leases of slots are long enough for it to end in time."""
        return not (self.is_up or self._has_failed or self._is_stopped())

    @property
    def must_cut(self) -> bool:
        """Whether calls that still run must be cut off."""
        return (
            self._is_stopped()
            and self._stopped_at is not None
            and time.monotonic() - self._stopped_at > CALLS_MAY_END_SECONDS
        )

    def _is_stopped(self) -> bool:
        if self._stopped_at is None and self._should_stop():
            self._stopped_at = time.monotonic()
        return self._stopped_at is not None
