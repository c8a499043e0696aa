"""Tells an outage of a server that Simwatch needs from a fault of its own.

Source of the types: DB-API 2 (`OperationalError`, `InterfaceError`), redis-py, kombu.
"""

from collections.abc import Iterator
from enum import StrEnum

from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError
from psycopg import OperationalError as DriverError
from redis import ConnectionError as RedisConnectionError
from redis import TimeoutError as RedisTimeoutError


class Server(StrEnum):
    """A server whose absence is an outage."""

    DATABASE = "database"
    REDIS = "redis"


_SERVER_OF: tuple[tuple[type[BaseException], Server], ...] = (
    (OperationalError, Server.DATABASE),
    (InterfaceError, Server.DATABASE),
    (DriverError, Server.DATABASE),
    (RedisConnectionError, Server.REDIS),
    (RedisTimeoutError, Server.REDIS),
    (BrokerError, Server.REDIS),
)


def server_of(error: BaseException) -> Server | None:
    """The server whose outage caused `error`, or None when the error is something else."""
    for cause in _chain(error):
        for kind, server in _SERVER_OF:
            if isinstance(cause, kind):
                return server
    return None


def one_line(error: BaseException) -> str | None:
    """What an operator needs to read of an outage, in one line; None for any other error."""
    server = server_of(error)
    if server is None:
        return None
    reason = " ".join(str(error).split("\n")[0].split())
    setting = "DATABASE_URL" if server is Server.DATABASE else "REDIS_URL"
    return f"the {server} does not answer: {reason} (is it running, and is {setting} right?)"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__
