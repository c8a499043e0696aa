"""Where Celery's broker is when nobody says: the Redis database after the schedule's."""

from urllib.parse import urlsplit, urlunsplit


def next_database(url: str) -> str:
    """The URL of the database with the next number."""
    parts = urlsplit(url)
    number = int(parts.path.strip("/") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number}"))
