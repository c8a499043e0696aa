"""How long a drain lives, in seconds of the process's monotonic clock, which is never set."""

import time
from collections.abc import Callable

# A worker that is told to stop must be gone within ten seconds; a call alone may take that long.
CALLS_MAY_END_SECONDS = 4.0


class Lifetime:
    """Decides whether a drain may claim and call: until its time is up, it is told to stop, or it runs out of work."""

    def __init__(self, *, seconds: float, linger_seconds: float, should_stop: Callable[[], bool]) -> None:
        self._linger_seconds = linger_seconds
        self._should_stop = should_stop
        self._young_until = time.monotonic() + seconds / 3
        self._ends_at = time.monotonic() + seconds
        self._worked_at = time.monotonic()
        self._stopped_at: float | None = None
        self._has_failed = self._has_lingered = False

    def fail(self) -> None:
        """End the drain after a failure: the next one begins afresh."""
        self._has_failed = True

    def note_work(self) -> None:
        """Note that there is something to do now."""
        self._worked_at = time.monotonic()

    @property
    def is_young(self) -> bool:
        """Whether suspects may be checked alone; later, other cards must not wait for them."""
        return self.may_call and time.monotonic() < self._young_until

    @property
    def is_up(self) -> bool:
        """Whether the time is up; a successor may find more to do."""
        return time.monotonic() >= self._ends_at

    @property
    def seconds_left(self) -> float:
        """The seconds until the time is up."""
        return self._ends_at - time.monotonic()

    @property
    def may_claim(self) -> bool:
        """Whether more cards may be claimed. Once false it stays false: an ended stream does not come back."""
        self._has_lingered = self._has_lingered or time.monotonic() - self._worked_at >= self._linger_seconds
        return self.may_call and not self._has_lingered

    @property
    def may_call(self) -> bool:
        """Whether another call may begin. The slots' leases are long enough for it to end in time."""
        return not (self.is_up or self._has_failed or self._is_stopped())

    @property
    def must_cut(self) -> bool:
        """Whether running calls must be cancelled."""
        return (
            self._is_stopped()
            and self._stopped_at is not None
            and time.monotonic() - self._stopped_at > CALLS_MAY_END_SECONDS
        )

    def _is_stopped(self) -> bool:
        if self._stopped_at is None and self._should_stop():
            self._stopped_at = time.monotonic()
        return self._stopped_at is not None
