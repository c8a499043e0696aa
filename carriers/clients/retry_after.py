"""The `Retry-After` header: how long a server asks to be left alone (RFC 9110, 10.2.3)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# A longer time is a mistake of the server, or overflows.
MAX_SECONDS = 24 * 3600


def parse_retry_after(header: str, *, now: datetime) -> timedelta:
    """Return the time from `now` to wait, at most a day. Pure.

    The header holds seconds or an HTTP date; zero is returned when it is empty, cannot be read, or is over.
    """
    if header.isascii() and header.isdecimal():
        return timedelta(seconds=min(int(header[:9]), MAX_SECONDS))
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return timedelta()
    # "-0000" gives a time without a zone; HTTP dates are always in GMT.
    left = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(max(left, timedelta()), timedelta(seconds=MAX_SECONDS))
