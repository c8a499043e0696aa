"""Celery's default broker: the Redis database after the one of `REDIS_URL` (database 1 after database 0)."""

from urllib.parse import urlsplit, urlunsplit


def next_database(url: str) -> str:
    """Return a Redis URL with its database number increased by one. Raise ValueError for other URLs."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"} or (parts.port or 1) < 1:
        raise ValueError(parts.scheme)
    number = int(parts.path.strip("/") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number}"))
