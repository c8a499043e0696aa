"""Each state in which a server refuses to work is an outage; a fault of ours or of a caller is none."""

from typing import Any

import psycopg
import pytest
from psycopg import errors
from redis import Redis
from redis import exceptions as redis
from redis._parsers.base import BaseParser

from common.outages import REDIS_CODES, Server, one_line, refused, server_of

# The classes of SQLSTATEs that are about the server, and the states in them that are faults of ours.
SERVER_CLASSES = ("08", "25", "40", "53", "55", "57", "58", "XX")
OURS = {
    "25000", "25001", "25002", "25003", "25004", "25005", "25007", "25008", "25P01", "25P02", "55P02", "55P04",
}  # fmt: skip
SQL_ERRORS = {
    kind.sqlstate: kind for kind in vars(errors).values() if isinstance(getattr(kind, "sqlstate", None), str)
}


@pytest.mark.parametrize("state", sorted(SQL_ERRORS))
def test_each_sql_state_is_decided(state: str) -> None:
    error = SQL_ERRORS[state]("it says so")

    is_outage = state.startswith(SERVER_CLASSES) and state not in OURS

    assert server_of(error) is (Server.DATABASE if is_outage else None)
    assert (one_line(error) or "").startswith("PostgreSQL refuses to work: ") is is_outage


def test_all_classes_are_known_to_the_driver() -> None:
    assert {state for state in SQL_ERRORS if state.startswith(SERVER_CLASSES)} >= OURS | {
        "25006",
        "53100",
        "XX000",
    }


def parsed(text: str) -> Exception:
    """Return the exception that redis-py raises for an error of the server."""
    parser: Any = BaseParser
    error: Exception = parser.parse_error(text)
    return error


@pytest.mark.parametrize("code", REDIS_CODES)
def test_each_refusal_of_redis_is_an_outage(code: str) -> None:
    error = parsed(f"{code} it says so")

    assert server_of(error) is Server.REDIS
    assert refused(error)
    assert (one_line(error) or "").startswith("Redis refuses to work: ")


def test_refusal_in_a_pipeline_is_an_outage() -> None:
    error = parsed("MISCONF Redis is configured to save RDB snapshots")
    pipeline: Any
    with Redis().pipeline() as pipeline:
        pipeline.annotate_exception(error, 1, ["SET", "MISCONF", "1"])

    assert refused(error) == REDIS_CODES["MISCONF"]


@pytest.mark.parametrize(
    "error",
    [
        parsed("WRONGTYPE Operation against a key holding the wrong kind of value"),
        parsed("ERR unknown command 'MISCONF'"),
        parsed("BUSYGROUP Consumer Group name already exists"),
        redis.WatchError("changed"),
        ValueError("MISCONF it says so"),
        psycopg.DataError("no state"),
    ],
    ids=str,
)
def test_fault_of_ours_is_no_outage(error: Exception) -> None:
    assert server_of(error) is None
    assert one_line(error) is None


@pytest.mark.parametrize(
    "error", [redis.ConnectionError("refused"), redis.TimeoutError(), psycopg.OperationalError()]
)
def test_server_that_does_not_answer_has_not_refused(error: Any) -> None:
    assert server_of(error) is not None
    assert refused(error) is None
