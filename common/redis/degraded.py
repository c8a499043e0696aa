"""Degraded mode: the one place that passes over an outage of Redis. It logs what was left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from common.outages import Server, server_of

log = structlog.get_logger(__name__)


@dataclass
class DegradedMode:
    """Whether Redis did not answer, so that the block was left early."""

    is_on: bool = False


@contextmanager
def degraded_without_redis(left_out: str, **details: object) -> Iterator[DegradedMode]:
    """Leave the block when Redis does not answer, and log `redis_was_away` with `left_out` and `details`.

    Execution continues after the block. `left_out` tells operators what does not work. Other errors are
    raised.

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
