"""Let messages expire by Redis' clock.

Celery compares the sender's clock with the worker's. If they differed by more than a few seconds, a worker would
drop every tick of beat without a word.
"""

from typing import Literal

from celery.worker.request import Request
from celery.worker.state import revoked as revoked_tasks

from common.clocks import server_clock


class ServerTimeRequest(Request):
    """A received message whose expiry is compared with Redis' clock. `PromptAMQP` sets it by that clock."""

    def maybe_expire(self) -> Literal[True] | None:
        """Return True if the message has expired; Celery then ignores it."""
        if self.expires and server_clock.now() > self.expires:
            revoked_tasks.add(self.id)
            return True
        return None
