"""No request waits for ever for a PostgreSQL that stands still.

A query has no time-out at its caller: libpq waits for as long as the connection lives, and that of a server that is frozen
does. Web processes have few threads, which soon all would wait; so the connection is cut, and the request is answered with 503.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Final

import structlog
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse

REQUEST_SECONDS: Final = 10

log = structlog.get_logger(__name__)


class RequestDeadlineMiddleware:
    """Cuts the connection to PostgreSQL of a request that takes longer than `REQUEST_SECONDS`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Django's contract."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        with _deadline(request.path):
            return self._get_response(request)


@contextmanager
def _deadline(path: str) -> Iterator[None]:
    # The wrapper is this thread's; whoever cuts is another one.
    timer = Timer(REQUEST_SECONDS, _cut, [connections[DEFAULT_DB_ALIAS], path])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(wrapper: BaseDatabaseWrapper, path: str) -> None:
    """End a connection that another thread waits for: there it raises OperationalError."""
    driver = wrapper.connection
    if driver is None or driver.closed:
        return
    log.error(
        "request_cut_off", path=path, seconds=REQUEST_SECONDS, what_to_do="see whether PostgreSQL answers"
    )
    with socket.socket(fileno=os.dup(driver.fileno())) as waited_for:
        waited_for.shutdown(socket.SHUT_RDWR)
