"""Degraded mode: let a request or a task continue without Redis, and log what was left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from common.outages import Server, server_of

log = structlog.get_logger(__name__)


@dataclass
class DegradedMode:
    """`is_on` is True if Redis did not answer and the rest of the block was skipped."""

    is_on: bool = False


@contextmanager
def degraded_without_redis(left_out: str, **details: object) -> Iterator[DegradedMode]:
    """Skip the rest of the block if Redis does not answer, and log a warning.

    Execution then continues after the block. Any other error propagates. `left_out` and `details` become
    fields of the log event `redis_was_away`: `left_out` tells operators what does not work because of the
    outage.

    Example::

        with degraded_without_redis("limits are not in force yet") as degraded:
            limits.publish(redis)
        if degraded.is_on:
            messages.warning(request, "...")
    """
    degraded = DegradedMode()
    try:
        yield degraded
    except Exception as error:
        if server_of(error) is not Server.REDIS:
            raise
        degraded.is_on = True
        log.warning("redis_was_away", left_out=left_out, **details)
