"""Whoever waits for a Redis that does not answer waits for all: the next ones are told at once."""

import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import TimeoutError as NoAnswerError
from redis.retry import Retry

# So long nobody asks again. A web process has few threads, and each would wait its whole time-out.
REST_SECONDS = 1.0

Value = TypeVar("Value")


class FailFast(Retry):
    """Retries nothing. One is shared by all connections of a client."""

    def __init__(self) -> None:
        """The server is taken to answer."""
        super().__init__(NoBackoff(), 0)
        self._asks_again_at = 0.0

    def __deepcopy__(self, memo: Any) -> Self:
        """redis-py copies it for each connection: they would not hear of each other."""
        return self

    def call_with_retry(
        self, do: Callable[[], Value], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Value:
        """See redis-py. Raises ConnectionError at once while the server rests."""
        if time.monotonic() < self._asks_again_at:
            raise NoConnectionError("it did not answer a moment ago")
        try:
            return super().call_with_retry(do, fail, *args, **kwargs)
        except NoAnswerError:
            self._asks_again_at = time.monotonic() + REST_SECONDS
            raise
