"""Distinguish an outage of PostgreSQL or Redis from a fault in Simwatch itself.

A server has an outage if it does not answer, or if it answers but refuses to work, for example because it is
read-only after a failover. Source of the exception types: DB-API 2 (`OperationalError`, `InterfaceError`),
redis-py, kombu; of the SQLSTATEs: appendix A of PostgreSQL's documentation; of the error codes: Redis' source.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import psycopg
from django.db import InterfaceError
from kombu.exceptions import OperationalError as BrokerError
from redis import exceptions as redis

from common.crypto import DecryptionError


class Server(StrEnum):
    """A server that can have an outage."""

    DATABASE = "database"
    REDIS = "redis"


# SQLSTATE, or its beginning -> why PostgreSQL refuses to work. All other states are faults of ours, or of a caller.
SQL_STATES: Final = {
    "08": "the connection is broken",
    "25006": "it is read-only, as after a failover",
    "25P03": "it has ended an idle session",
    "25P04": "a transaction took too long",
    "40": "another transaction was in the way",
    "53": "it has run out of disk, memory or connections",
    "55000": "it is not ready for this",
    "55006": "something else is using the object",
    "55P03": "a lock was not free in time",
    "57": "it was stopped, or the query was cancelled",
    "58": "its operating system has failed",
    "XX": "it has an internal error",
}
# The code at the beginning of a Redis error -> why Redis refuses to work.
REDIS_CODES: Final = {
    "MISCONF": "it cannot save to its disk",
    "READONLY": "it is a read-only replica, as after a failover",
    "LOADING": "it is loading its data",
    "OOM": "its memory is full",
    "BUSY": "it is busy with a script",
    "NOREPLICAS": "it has too few replicas",
    "MASTERDOWN": "its link to the master is down",
    "NOAUTH": "it does not accept the password",
    "WRONGPASS": "it does not accept the password",
    "NOPERM": "this user may not do this",
    # "ACL failure in script", which has no code.
    "ACL": "this user may not do this",
    "CLUSTERDOWN": "its cluster is down",
    "TRYAGAIN": "its cluster is moving keys",
    "UNBLOCKED": "it has become a replica",
}
# redis-py has its own types for some of the codes, and removes these from the message.
_REDIS_TYPES: Final = {
    redis.ReadOnlyError: "READONLY",
    redis.BusyLoadingError: "LOADING",
    redis.OutOfMemoryError: "OOM",
    redis.MasterDownError: "MASTERDOWN",
    redis.AuthenticationError: "NOAUTH",
    redis.NoPermissionError: "NOPERM",
    redis.ClusterDownError: "CLUSTERDOWN",
    redis.TryAgainError: "TRYAGAIN",
}
# An error of a pipeline says first which command caused it.
_REDIS_CODE: Final = re.compile(rf"(?:^|caused error: )({'|'.join(REDIS_CODES)})(?:\s|$)")
_NO_REDIS: Final = (redis.ConnectionError, redis.TimeoutError, BrokerError)


def server_of(error: BaseException) -> Server | None:
    """Return the server whose outage caused `error`; None if the error has another cause."""
    for cause in _chain(error):
        if isinstance(cause, psycopg.Error) and (refused(cause) or _is_lost(cause)):
            return Server.DATABASE
        if isinstance(cause, InterfaceError) and "closed" in str(cause):
            return Server.DATABASE
        if isinstance(cause, _NO_REDIS) or (isinstance(cause, redis.RedisError) and refused(cause)):
            return Server.REDIS
    return None


def refused(error: BaseException) -> str | None:
    """Return why a server that has answered refuses to work; None if `error` does not say so."""
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        return next((reason for prefix, reason in SQL_STATES.items() if state.startswith(prefix)), None)
    if not isinstance(error, redis.RedisError):
        return None
    code = next((code for kind, code in _REDIS_TYPES.items() if isinstance(error, kind)), None)
    found = _REDIS_CODE.search(str(error))
    return REDIS_CODES.get(code or (found[1] if found else ""))


def _is_lost(error: psycopg.Error) -> bool:
    # An error without SQLSTATE comes from the driver: it could not connect, or it lost the connection.
    return not error.sqlstate and isinstance(error, psycopg.OperationalError)


def one_line(error: BaseException) -> str | None:
    """Return one line for operators about an outage or a missing encryption key; None for any other error."""
    for cause in _chain(error):
        if isinstance(cause, DecryptionError):
            return f"a secret cannot be opened: {cause} (is its key still in ENCRYPTION_KEYS?)"
    server = server_of(error)
    if server is None:
        return None
    answer = " ".join(str(error).split("\n")[0].split())
    name, setting = ("PostgreSQL", "DATABASE_URL") if server is Server.DATABASE else ("Redis", "REDIS_URL")
    if reason := reason_of(error):
        return f"{name} refuses to work: {reason} ({answer})"
    return f"{name} does not answer: {answer} (is it running, and is {setting} right? bin/up starts one)"


def reason_of(error: BaseException) -> str | None:
    """Return why a server refused to work, which caused `error`; None if `error` has another cause."""
    return next((reason for cause in _chain(error) if (reason := refused(cause))), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        # Follow `__context__` too, because many libraries raise a new error without `raise ... from`.
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
