"""The simulated time. It equals the machine's time until it is set, and then runs on from the new time."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from lab.simulator.fleet import FIRST_YEAR

# Before EARLIEST, lifetime counters could be negative. Python has no dates after the year 9999, so LATEST
# keeps billing cycles far away from that year.
EARLIEST = datetime(FIRST_YEAR, 2, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that returns the simulated time when called.

    Carriers' answers use the simulated time. Signatures and the call log use the machine's time. The clock
    runs at the speed of `machine`, a function that returns the machine's time. Example::

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
        """Set the simulated time to `now`; it runs on from there. None returns to the machine's time."""
        self._ahead = timedelta() if now is None else now - self._machine()


def parse_clock(body: object) -> datetime | None:
    """Return the time in the JSON `body` of a request, or None if the body asks for the machine's time.

    If the body is invalid, raise ValueError with a message for the sender.
    """
    if not isinstance(body, Mapping):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 (one type for bad input)
    if "now" not in body:
        raise ValueError("now is missing: an RFC 3339 time, or null for the machine's clock")
    return None if body["now"] is None else parse_moment(body["now"], name="now")


def parse_moment(text: object, *, name: str) -> datetime:
    """Return the time in `text`. If `text` is invalid, raise ValueError with a message that names `name`."""
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
