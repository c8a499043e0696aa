"""Retry policies for redis-py: what happens to a connection and to later calls after a command has failed."""

import time
from collections.abc import Callable
from random import uniform
from typing import Any, Self, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswerError
from redis.retry import Retry

from common.outages import refused

# After a timeout, calls fail immediately for about this long, and for twice as long after each further one.
# Without this rule, all of a web process's few threads could be waiting for Redis at the same time.
FIRST_REST_SECONDS, MAX_REST_SECONDS = 1.0, 5.0
# The rests of many processes differ by up to this share, so that they do not all try again at once.
JITTER = 0.2

Value = TypeVar("Value")


class NoRetry(Retry):
    """A policy that never retries, because a command that timed out may have been executed.

    It closes a connection on which Redis refuses to work: after a failover, the connection may lead to the old
    server for as long as it is open.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 0)

    def call_with_retry(
        self, do: Callable[[], Value], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Value:
        """Call `do` once and return its result. If Redis refuses to work, call `fail`, which closes the connection."""
        has_failed = False

        def close(*details: Any) -> None:
            nonlocal has_failed
            has_failed = True
            fail(*details)

        try:
            return super().call_with_retry(do, close, *args, **kwargs)
        except RedisError as error:
            if not has_failed and refused(error):
                close(error, *((1,) if kwargs.get("with_failure_count") else ()))
            raise


class FailFast(NoRetry):
    """A policy that also fails fast: for a second after a timeout, other calls fail instead of waiting too.

    After further timeouts they do so for 2, 4 and then 5 s, until Redis answers.

    All connections of a client share one instance, so after a timeout on one connection all fail fast.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fails_until = 0.0
        self._timeouts = 0

    def __deepcopy__(self, memo: Any) -> Self:
        # Don't copy: redis-py copies the policy for each connection, but all must know about a timeout.
        return self

    def call_with_retry(
        self, do: Callable[[], Value], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Value:
        """Call `do` once and return its result.

        During a rest after a timeout, raise ConnectionError instead of calling `do`.
        """
        if time.monotonic() < self._fails_until:
            raise NoConnectionError("Redis did not answer a moment ago, so this command was not sent")
        try:
            value = super().call_with_retry(do, fail, *args, **kwargs)
        except NoAnswerError:
            # Of calls that time out together, only the first one counts.
            if time.monotonic() >= self._fails_until:
                self._fails_until = time.monotonic() + rest_seconds(self._timeouts) * uniform(1 - JITTER, 1)
                self._timeouts += 1
            raise
        self._timeouts = 0
        return value


def rest_seconds(timeouts: int) -> float:
    """Return how long to rest after a timeout that followed this many others: 1, 2, 4, and then 5 s."""
    return min(MAX_REST_SECONDS, FIRST_REST_SECONDS * 2.0 ** min(timeouts, 10))
