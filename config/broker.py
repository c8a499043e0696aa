"""Celery's default broker, which is the Redis database after the schedule's (database 1 after 0)."""

from urllib.parse import urlsplit, urlunsplit


def next_database(url: str) -> str:
    """Return `url` with its database number increased by one. Raise ValueError if `url` is no Redis URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"} or (parts.port or 1) < 1:
        raise ValueError(parts.scheme)
    number = int(parts.path.strip("/") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number}"))
