"""The time of the simulated world: the machine's, or a time that was set and runs on from there."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from lab.simulator.fleet import FIRST_YEAR

# Before, lifetime counters would be negative; after, billing calendars end.
EARLIEST = datetime(FIRST_YEAR, 2, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


class Clock:
    """Returns the simulated time when called.

    Carriers' answers follow it; signatures and the call log do not.

    `machine` is the clock that it follows, at the same speed. Example::

        clock = Clock()
        clock.set(datetime(2026, 4, 30, 15, 59, tzinfo=UTC))
        now = clock()
    """

    def __init__(self, *, machine: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._machine = machine
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return self._machine() + self._ahead

    def set(self, now: datetime | None) -> None:
        """Run on from `now`; None returns to the machine's time."""
        self._ahead = timedelta() if now is None else now - self._machine()


def parse_clock(body: object) -> datetime | None:
    """Return the time that a request's JSON sets; None for the machine's.

    Raise ValueError with a text for the caller.
    """
    if not isinstance(body, Mapping):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 (one type for bad input)
    if "now" not in body:
        raise ValueError("now is missing: an RFC 3339 time, or null for the machine's clock")
    return None if body["now"] is None else parse_moment(body["now"], name="now")


def parse_moment(text: object, *, name: str) -> datetime:
    """Return the time in the field `name` of a request. Raise ValueError with a text for the caller."""
    message = (
        f"{name} must be an RFC 3339 time with its offset, from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"
    )
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        raise ValueError(message) from None
    if moment is None or moment.tzinfo is None or not EARLIEST <= moment <= LATEST:
        raise ValueError(message)
    return moment.astimezone(UTC)
