"""The default URL of Celery's broker: the Redis database after the one of the schedule."""

from urllib.parse import urlsplit, urlunsplit


def next_database(url: str) -> str:
    """Return the URL of the Redis database with the next number. Raise ValueError for other URLs."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"} or (parts.port or 1) < 1:
        raise ValueError(parts.scheme)
    number = int(parts.path.strip("/") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number}"))
