"""Drains that fail by a fault of ours: count them, and let the next ones rest."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from redis import Redis

from common.logs import name_of, seldom
from common.outages import one_line
from polling.schedule import keys

# After two failures in a row, drains rest for a second, then for twice as long each time.
MAX_REST_SECONDS = 60
KEPT_SECONDS = 3600

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RunFailure:
    """How many drains have failed in a row, the last error, and the time of it (unix s)."""

    count: int
    error: str
    at: float


class RunFailures:
    """Counts the drains of all workers that failed in a row.

    The hash `polling:run-failures` holds `{count: 3, error: "KeyError: 'x'", at: 1790000000}`. While the key
    `polling:run-rests` exists, no drain is sent.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def note(self, error: BaseException) -> None:
        """Count a failed drain. If it is not the first in a row, let drains rest."""
        count = self._redis.hincrby(keys.RUN_FAILURES, "count", 1)
        self._redis.hset(keys.RUN_FAILURES, mapping={"error": name_of(error), "at": time.time()})
        self._redis.expire(keys.RUN_FAILURES, KEPT_SECONDS)
        if rest := rest_seconds(count):
            self._redis.set(keys.RUN_RESTS, 1, px=round(rest * 1000))

    def forget(self) -> None:
        """Reset the count, because a drain has succeeded."""
        self._redis.delete(keys.RUN_FAILURES, keys.RUN_RESTS)

    def latest(self) -> RunFailure | None:
        """Return the last failure; None if the last drain succeeded."""
        count, error, at = self._redis.hmget(keys.RUN_FAILURES, "count", "error", "at")
        return RunFailure(int(count), str(error), float(at)) if count and error and at else None


def rest_seconds(failures: int) -> float:
    """Return for how long drains rest after this many failures in a row: 0, 1, 2, 4 and so on, at most 60 s."""
    if failures <= 1:
        return 0
    return min(float(MAX_REST_SECONDS), 2.0 ** min(failures - 2, MAX_REST_SECONDS))


def watched(redis: Redis, run: Callable[[], object]) -> None:
    """Run a drain. If it fails by a fault of ours, count that and log it; raise the error of an outage."""
    failures = RunFailures(redis)
    try:
        run()
    except Exception as error:
        if one_line(error) is not None:
            raise
        failures.note(error)
        log.error("drain_failed", reason=name_of(error), exc_info=seldom(error))
    else:
        failures.forget()
