"""Drains that fail, by a fault of ours or because PostgreSQL has an outage: count them, and let the next rest."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from redis import Redis

from common.logs import name_of, seldom
from common.outages import Server, one_line, server_of
from polling.schedule import keys
from polling.schedule.progress import Fields

# After two failures in a row, drains rest for a second, then for twice as long each time.
MAX_REST_SECONDS = 60
# Checks go on within ten seconds after an outage.
MAX_OUTAGE_REST_SECONDS = 3
KEPT_SECONDS = 3600

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RunFailure:
    """How many drains have failed in a row, the last error, its time (unix s), and whether it was an outage."""

    count: int
    error: str
    at: float
    is_outage: bool


class RunFailures:
    """Counts the drains of all workers that failed in a row.

    The hash `polling:run-failures` holds `{count: 3, error: "KeyError: 'x'", at: 1790000000, is_outage: 0}`. While
    the key `polling:run-rests` exists, no drain is sent.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def note(self, error: BaseException) -> None:
        """Count a failed drain. If it is not the first in a row, let drains rest.

        A drain that began before the rest does not count, because several fail of the same cause.
        """
        if self._redis.exists(keys.RUN_RESTS):
            return
        outage = one_line(error)
        fields: Fields = {
            "error": outage or name_of(error),
            "at": time.time(),
            "is_outage": int(outage is not None),
        }
        if (before := self.latest()) and before.is_outage != (outage is not None):
            # Failures of another kind do not make the rest longer.
            self.forget()
        count = self._redis.hincrby(keys.RUN_FAILURES, "count", 1)
        self._redis.hset(keys.RUN_FAILURES, mapping=fields)
        self._redis.expire(keys.RUN_FAILURES, KEPT_SECONDS)
        if rest := rest_seconds(count, longest=MAX_OUTAGE_REST_SECONDS if outage else MAX_REST_SECONDS):
            self._redis.set(keys.RUN_RESTS, 1, px=round(rest * 1000))

    def forget(self) -> None:
        """Reset the count, because a drain has succeeded."""
        self._redis.delete(keys.RUN_FAILURES, keys.RUN_RESTS)

    def latest(self) -> RunFailure | None:
        """Return the last failure; None if the last drain succeeded."""
        count, error, at, is_outage = self._redis.hmget(
            keys.RUN_FAILURES, "count", "error", "at", "is_outage"
        )
        if not (count and error and at):
            return None
        return RunFailure(int(count), str(error), float(at), is_outage == "1")


def rest_seconds(failures: int, *, longest: int = MAX_REST_SECONDS) -> float:
    """Return for how long drains rest after this many failures in a row: 0, 1, 2, 4 and so on, up to `longest`."""
    if failures <= 1:
        return 0
    return min(float(longest), 2.0 ** min(failures - 2, longest))


def watched(redis: Redis, run: Callable[[], object]) -> None:
    """Run a drain, and count it if it fails. Log a fault of ours; raise the error of an outage."""
    failures = RunFailures(redis)
    try:
        run()
    except Exception as error:
        if server_of(error) is Server.REDIS:
            # The count is in Redis.
            raise
        failures.note(error)
        if one_line(error) is not None:
            raise
        log.error("drain_failed", reason=name_of(error), exc_info=seldom(error))
    else:
        failures.forget()
