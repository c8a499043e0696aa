"""Tells an outage of a server that Simwatch needs from a fault of its own.

Source of the types: DB-API 2 (`OperationalError`, `InterfaceError`), redis-py, kombu.
"""

from collections.abc import Iterator
from enum import StrEnum

import psycopg
from django.db import InterfaceError
from kombu.exceptions import OperationalError as BrokerError
from redis import exceptions as redis

from common.crypto import DecryptionError


class Server(StrEnum):
    """A server whose absence is an outage."""

    DATABASE = "database"
    REDIS = "redis"


_REDIS_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    BrokerError,
)
# SQLSTATE classes of a server that is away or full: connection exceptions, shutdown, too many connections.
_AWAY_STATES = ("08", "57P", "53300")


def server_of(error: BaseException) -> Server | None:
    """The server whose outage caused `error`, or None when the error is something else."""
    for cause in _chain(error):
        if isinstance(cause, psycopg.Error) and _is_away(cause):
            return Server.DATABASE
        if isinstance(cause, InterfaceError) and "closed" in str(cause):
            return Server.DATABASE
        if isinstance(cause, _REDIS_AWAY):
            return Server.REDIS
    return None


def _is_away(error: psycopg.Error) -> bool:
    if error.sqlstate:
        return error.sqlstate.startswith(_AWAY_STATES)
    # The driver's own: no connection was made, or it broke.
    return isinstance(error, psycopg.OperationalError)


def one_line(error: BaseException) -> str | None:
    """What an operator needs to read of an outage or a lost key, in one line; None for any other error."""
    for cause in _chain(error):
        if isinstance(cause, DecryptionError):
            return f"a secret cannot be opened: {cause} (is its key still in ENCRYPTION_KEYS?)"
    server = server_of(error)
    if server is None:
        return None
    reason = " ".join(str(error).split("\n")[0].split())
    name, setting = ("PostgreSQL", "DATABASE_URL") if server is Server.DATABASE else ("Redis", "REDIS_URL")
    return f"{name} does not answer: {reason} (is it running, and is {setting} right? bin/up starts one)"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        # Libraries seldom say `from`; what they were handling is the cause all the same.
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
