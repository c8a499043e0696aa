"""The time of the simulated world: the machine's, or one that was set and runs on from there."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from lab.simulator.fleet import FIRST_YEAR

# Earlier, a lifetime counter would be below 0; later, calendars end.
EARLIEST = datetime(FIRST_YEAR, 2, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


class Clock:
    """Called, it tells the moment. What carriers say goes by it; signatures and the call log do not."""

    def __init__(self, *, machine: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`machine` is the clock that it follows, at the same speed."""
        self._machine = machine
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """The present moment of the simulated world."""
        return self._machine() + self._ahead

    def set(self, now: datetime | None) -> None:
        """Run on from `now`; None: go with the machine again."""
        self._ahead = timedelta() if now is None else now - self._machine()


def asked_clock(body: object) -> datetime | None:
    """What the JSON of a request wants the clock to be; raises ValueError with words for the caller."""
    if not isinstance(body, Mapping):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 (one type for bad input)
    if "now" not in body:
        raise ValueError("now is missing: an RFC 3339 time, or null for the machine's clock")
    return None if body["now"] is None else asked_moment(body["now"], name="now")


def asked_moment(text: object, *, name: str) -> datetime:
    """The moment that the field `name` of a request holds; raises ValueError with words for the caller."""
    wrong = f"{name} must be an RFC 3339 time with its offset, from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        raise ValueError(wrong) from None
    if moment is None or moment.tzinfo is None or not EARLIEST <= moment <= LATEST:
        raise ValueError(wrong)
    return moment.astimezone(UTC)
