"""Celery's default broker: the Redis database whose number is one higher than that in `REDIS_URL`."""

from urllib.parse import urlsplit, urlunsplit


def next_database(url: str) -> str:
    """Return a Redis URL with its database number increased by one. Raise ValueError for any other URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"} or (parts.port or 1) < 1:
        raise ValueError(parts.scheme)
    number = int(parts.path.strip("/") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number}"))
