"""The simulated time. It is the machine's time until it is set to another moment, from where it runs on."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from lab.simulator.fleet import FIRST_YEAR

# Before EARLIEST, lifetime counters could be negative. LATEST keeps dates far away from the year 9999, beyond
# which no billing cycle can be computed.
EARLIEST = datetime(FIRST_YEAR, 2, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that returns the simulated time when called.

    Carriers' answers use it; signatures and the call log use the machine's time. It runs at the speed of
    `machine`, a function that returns the real time. Example::

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
        """Set the simulated time to `now`, from where it runs on. None returns to the machine's time."""
        self._ahead = timedelta() if now is None else now - self._machine()


def parse_clock(body: object) -> datetime | None:
    """Return the time in the JSON `body` of a request, or None if it asks for the machine's time.

    Raise ValueError, with a message for the sender, if the body is invalid.
    """
    if not isinstance(body, Mapping):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 (one type for bad input)
    if "now" not in body:
        raise ValueError("now is missing: an RFC 3339 time, or null for the machine's clock")
    return None if body["now"] is None else parse_moment(body["now"], name="now")


def parse_moment(text: object, *, name: str) -> datetime:
    """Return the time that `text` gives. Raise ValueError, with a message that names the field `name`."""
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
