"""`Retry-After`: for how long a server asks to be left alone (RFC 9110, 10.2.3)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Nobody means more; what is longer is a mistake, or overflows.
LONGEST_SECONDS = 24 * 3600


def rest_asked_for(header: str, *, now: datetime) -> timedelta:
    """The time from `now`, given as seconds or as an HTTP date; zero when there is none, or it cannot be read. Pure."""
    if header.isascii() and header.isdecimal():
        return timedelta(seconds=min(int(header[:9]), LONGEST_SECONDS))
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return timedelta()
    # "-0000" makes a time without a zone; HTTP knows no other than GMT.
    left = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(max(left, timedelta()), timedelta(seconds=LONGEST_SECONDS))
