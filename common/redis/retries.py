"""Retry policies for redis-py: what happens to a connection and to later calls after a command has failed."""

import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswerError
from redis.retry import Retry

from common.outages import refused

# After a timeout, calls fail immediately for this long. Without this rule, all of a web process's few threads
# could be waiting for Redis at the same time.
REST_SECONDS = 1.0

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
    """A policy that also fails fast: for one second after a timeout, other calls fail instead of waiting too.

    All connections of a client share one instance, so after a timeout on one connection all fail fast.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fails_until = 0.0

    def __deepcopy__(self, memo: Any) -> Self:
        # Don't copy: redis-py copies the policy for each connection, but all must know about a timeout.
        return self

    def call_with_retry(
        self, do: Callable[[], Value], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Value:
        """Call `do` once and return its result.

        For `REST_SECONDS` after a timeout, raise ConnectionError instead of calling `do`.
        """
        if time.monotonic() < self._fails_until:
            raise NoConnectionError("Redis did not answer a moment ago, so this command was not sent")
        try:
            return super().call_with_retry(do, fail, *args, **kwargs)
        except NoAnswerError:
            self._fails_until = time.monotonic() + REST_SECONDS
            raise
