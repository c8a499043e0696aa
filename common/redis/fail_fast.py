"""Fail fast: after one timeout, later callers get the error immediately for a second."""

import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import TimeoutError as NoAnswerError
from redis.retry import Retry

# How long calls fail immediately after a timeout. A web process has few threads, and otherwise each of them
# would wait for a whole timeout.
REST_SECONDS = 1.0

Value = TypeVar("Value")


class FailFast(Retry):
    """redis-py's retry policy of a client: never retry, and fail fast after a timeout.

    All connections of the client share one instance, so they all fail fast after a timeout of one of them.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 0)
        self._fails_until = 0.0

    def __deepcopy__(self, memo: Any) -> Self:
        # redis-py copies the policy for each connection; copies would not share the timeout.
        return self

    def call_with_retry(
        self, do: Callable[[], Value], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Value:
        """Call `do` once. Raise ConnectionError without calling it for `REST_SECONDS` after a timeout."""
        if time.monotonic() < self._fails_until:
            raise NoConnectionError("it did not answer a moment ago")
        try:
            return super().call_with_retry(do, fail, *args, **kwargs)
        except NoAnswerError:
            self._fails_until = time.monotonic() + REST_SECONDS
            raise
