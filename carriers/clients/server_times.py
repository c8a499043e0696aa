"""The times in a server's headers: `Retry-After`, by which it asks to get no requests for some time, and `Date`.

Source: RFC 9110, 10.2.3 and 6.6.1.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Longer times are shortened to a day, because they are mistakes of the server and might overflow.
MAX_SECONDS = 24 * 3600


def parse_retry_after(header: str, *, now: datetime) -> timedelta:
    """Return how long to wait from `now`, at most a day. Pure.

    `header` contains seconds or an HTTP date. Return zero when it is empty, unreadable or in the past.
    """
    if header.isascii() and header.isdecimal():
        return timedelta(seconds=min(int(header[:9]), MAX_SECONDS))
    left = _parse_date(header, default=now) - now
    return min(max(left, timedelta()), timedelta(seconds=MAX_SECONDS))


def clock_difference(header: str, *, now: datetime) -> timedelta:
    """Return how far the clock of a server is ahead of `now`, by its `Date` header. Pure.

    It is negative if the server's clock is behind, and zero if the header is empty or unreadable.
    """
    return _parse_date(header, default=now) - now


def _parse_date(header: str, *, default: datetime) -> datetime:
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return default
    # A date with the offset "-0000" is parsed without a zone. Treat it as UTC, because HTTP dates are in GMT.
    return date.replace(tzinfo=date.tzinfo or UTC)
