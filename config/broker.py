"""Where Celery's broker is when nobody says: the Redis database after the schedule's."""

from urllib.parse import urlsplit, urlunsplit


def next_database(url: str) -> str:
    """The URL of the database with the next number; raises ValueError when this is no URL of Redis."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"} or (parts.port or 1) < 1:
        raise ValueError(parts.scheme)
    number = int(parts.path.strip("/") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number}"))
