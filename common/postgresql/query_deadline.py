"""How long a thread waits for an answer of PostgreSQL: for ever, unless it says otherwise.

libpq waits for as long as the connection lives, and that of a server that is frozen does. A web process has few threads, which soon all would wait.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

import psycopg
import structlog
from django.http import HttpRequest, HttpResponse
from psycopg import errors

REQUEST_SECONDS: Final = 10.0
CANCEL_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class _Patience(threading.local):
    seconds: float | None = None


_patience: Final = _Patience()


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within it, this thread waits for each answer so long, and then raises OperationalError."""
    before, _patience.seconds = _patience.seconds, seconds
    try:
        yield
    finally:
        _patience.seconds = before


class QueryDeadlineMiddleware:
    """No request waits longer than `REQUEST_SECONDS` for any answer of PostgreSQL."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Django's contract."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        with patience(REQUEST_SECONDS):
            return self._get_response(request)


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that is given up when an answer does not come in the time that its thread has."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """See psycopg. What is given up is cancelled, if the server hears that, and closed: nobody knows what it is at."""
        longest = timeout or _patience.seconds
        try:
            return super().wait(gen, interval, longest)
        except errors._WaitTimeout:
            log.error(
                "postgresql_did_not_answer",
                seconds=longest,
                what_to_do="see whether PostgreSQL is frozen or a query slow",
            )
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_SECONDS)
            self.close()
            raise psycopg.OperationalError("no answer in time") from None


def patient(connection: object) -> DeadlineConnection:
    """The same connection. psycopg's classes are chosen where they connect, and Django leaves no choice there."""
    made = cast("DeadlineConnection", connection)
    made.__class__ = DeadlineConnection
    return made
