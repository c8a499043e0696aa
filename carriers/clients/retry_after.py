"""The `Retry-After` header, by which a server asks to get no requests for some time (RFC 9110, 10.2.3)."""

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
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return timedelta()
    # A date with the offset "-0000" is parsed without a zone. Treat it as UTC, because HTTP dates are in GMT.
    left = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(max(left, timedelta()), timedelta(seconds=MAX_SECONDS))
