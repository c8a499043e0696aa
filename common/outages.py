"""Distinguish an outage of PostgreSQL or Redis from a fault in Simwatch itself.

Source of the exception types: DB-API 2 (`OperationalError`, `InterfaceError`), redis-py, kombu.
"""

from collections.abc import Iterator
from enum import StrEnum

import psycopg
from django.db import InterfaceError
from kombu.exceptions import OperationalError as BrokerError
from redis import exceptions as redis

from common.crypto import DecryptionError


class Server(StrEnum):
    """A server that can have an outage."""

    DATABASE = "database"
    REDIS = "redis"


_REDIS_OUTAGES = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    BrokerError,
)
# Prefixes of the SQLSTATEs that indicate an outage: connection exception, shutdown, too many connections.
_OUTAGE_STATES = ("08", "57P", "53300")


def server_of(error: BaseException) -> Server | None:
    """Return the server whose outage caused `error`; None if the error has another cause."""
    for cause in _chain(error):
        if isinstance(cause, psycopg.Error) and _is_outage(cause):
            return Server.DATABASE
        if isinstance(cause, InterfaceError) and "closed" in str(cause):
            return Server.DATABASE
        if isinstance(cause, _REDIS_OUTAGES):
            return Server.REDIS
    return None


def _is_outage(error: psycopg.Error) -> bool:
    if error.sqlstate:
        return error.sqlstate.startswith(_OUTAGE_STATES)
    # An error without SQLSTATE comes from the driver: it could not connect, or it lost the connection.
    return isinstance(error, psycopg.OperationalError)


def one_line(error: BaseException) -> str | None:
    """Return one line for operators about an outage or a missing encryption key; None for any other error."""
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
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        # Follow `__context__` too, because many libraries raise a new error without `raise ... from`.
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
