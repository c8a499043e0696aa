"""The query deadline: a limit on how long a thread waits for an answer from PostgreSQL.

Without a deadline, libpq waits as long as the connection is open, and the connection to a frozen server stays
open. A web process has few threads, so all of them would soon be waiting.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

import psycopg
import structlog
from django.http import HttpRequest, HttpResponse
from psycopg import errors

from common.outages import refused

REQUEST_SECONDS: Final = 10.0
CANCEL_SECONDS: Final = 1.0

# These refusals say nothing about the server.
_TRANSIENT: Final = (
    errors.LockNotAvailable,
    errors.ObjectInUse,
    errors.SerializationFailure,
    errors.DeadlockDetected,
)

log = structlog.get_logger(__name__)


class _Deadline(threading.local):
    seconds: float | None = None


_deadline: Final = _Deadline()


@contextmanager
def query_deadline(seconds: float) -> Iterator[None]:
    """Let this thread wait at most `seconds` for each answer. A slower query raises OperationalError."""
    before, _deadline.seconds = _deadline.seconds, seconds
    try:
        yield
    finally:
        _deadline.seconds = before


class QueryDeadlineMiddleware:
    """Middleware that lets a request wait at most `REQUEST_SECONDS` for each of PostgreSQL's answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with query_deadline(REQUEST_SECONDS):
            return self._get_response(request)


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that stops waiting for an answer when the calling thread's query deadline has passed."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does, but not longer than the deadline.

        After the deadline, cancel the query, close the connection and raise OperationalError. The connection
        is closed because its state is unknown: the server may not have received the cancellation. It is also
        closed if the server refuses to work.
        """
        seconds = timeout or _deadline.seconds
        try:
            return super().wait(gen, interval, seconds)
        except errors._WaitTimeout:
            log.error(
                "postgresql_did_not_answer",
                seconds=seconds,
                what_to_do="check whether PostgreSQL is frozen or a query is slow",
            )
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_SECONDS)
            self.close()
            raise psycopg.OperationalError("no answer in time") from None
        except psycopg.Error as error:
            if refused(error) and not isinstance(error, _TRANSIENT):
                # After a failover, the connection leads to the old server for as long as it is open.
                self.close()
            raise


def with_deadline(connection: object) -> DeadlineConnection:
    """Turn `connection` into a DeadlineConnection and return it.

    Its class is replaced after connecting, because Django does not let a backend choose the connection class.
    """
    made = cast("DeadlineConnection", connection)
    made.__class__ = DeadlineConnection
    return made
