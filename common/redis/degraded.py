"""What goes on while Redis is away: the one place that passes over an outage, and says in the log what it left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from common.outages import Server, server_of

log = structlog.get_logger(__name__)


@dataclass
class Absence:
    """Whether the block was left because Redis did not answer."""

    is_so: bool = False


@contextmanager
def redis_may_be_away(left_out: str, **told: object) -> Iterator[Absence]:
    """Leave the block when Redis does not answer, and go on behind it. `left_out` is what an operator reads then.

    Every other error is raised.
    """
    absence = Absence()
    try:
        yield absence
    except Exception as error:
        if server_of(error) is not Server.REDIS:
            raise
        absence.is_so = True
        log.warning("redis_was_away", left_out=left_out, **told)
