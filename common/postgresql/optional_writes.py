"""Writes that a request can do without, because it only reads."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connection

from common.outages import Server, one_line, server_of

log = structlog.get_logger(__name__)


@contextmanager
def optional_write(left_out: str) -> Iterator[None]:
    """Skip the rest of the block if PostgreSQL refuses to write, and log a warning. Use it outside transactions.

    Example::

        with optional_write("the time of a token's last use"):
            ApiToken.objects.touch(token, now)
    """
    try:
        yield
    except DatabaseError as error:
        if server_of(error) is not Server.DATABASE:
            raise
        # The next query opens a new connection.
        connection.close()
        log.warning("write_left_out", left_out=left_out, reason=one_line(error))
