"""How long a drain runs, by the monotonic clock, which does not change when the system time is set."""

import time
from collections.abc import Callable

# After a request to stop, running calls have this long to end before they are cancelled. The worker must exit
# within ten seconds, and a single call alone may take ten seconds.
CALLS_MAY_END_SECONDS = 4.0


class Lifetime:
    """Decides how long a drain may claim cards and begin calls.

    It may do so until its time is up, until it is asked to stop, until it fails, or until it has had no work
    for `linger_seconds`.
    """

    def __init__(self, *, seconds: float, linger_seconds: float, should_stop: Callable[[], bool]) -> None:
        self._linger_seconds = linger_seconds
        self._should_stop = should_stop
        self._young_until = time.monotonic() + seconds / 3
        self._ends_at = time.monotonic() + seconds
        self._worked_at = time.monotonic()
        self._stopped_at: float | None = None
        self._has_failed = self._has_lingered = False

    def fail(self) -> None:
        """End the drain after a failure, so that the next drain makes a fresh start."""
        self._has_failed = True

    def note_work(self) -> None:
        """Note that there is work now, so that the drain does not end for lack of it."""
        self._worked_at = time.monotonic()

    @property
    def is_young(self) -> bool:
        """Return whether suspects may be checked alone.

        After a third of the drain's time they may not, because other cards would wait too long.
        """
        return self.may_call and time.monotonic() < self._young_until

    @property
    def is_up(self) -> bool:
        """Return whether the drain's time is up. If so, another drain may have to continue its work."""
        return time.monotonic() >= self._ends_at

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the drain's time is up."""
        return self._ends_at - time.monotonic()

    @property
    def may_claim(self) -> bool:
        """Return whether more cards may be claimed.

        Once it is False it stays False, because a stream that has ended is not started again.
        """
        self._has_lingered = self._has_lingered or time.monotonic() - self._worked_at >= self._linger_seconds
        return self.may_call and not self._has_lingered

    @property
    def may_call(self) -> bool:
        """Return whether another call may begin. If so, it ends before the leases of its slots run out."""
        return not (self.is_up or self._has_failed or self._is_stopped())

    @property
    def must_cut(self) -> bool:
        """Return whether running calls must be cancelled."""
        return (
            self._is_stopped()
            and self._stopped_at is not None
            and time.monotonic() - self._stopped_at > CALLS_MAY_END_SECONDS
        )

    def _is_stopped(self) -> bool:
        if self._stopped_at is None and self._should_stop():
            self._stopped_at = time.monotonic()
        return self._stopped_at is not None
