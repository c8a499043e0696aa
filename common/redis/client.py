"""The two Redis clients: pages must not wait, workers may wait a little.

Neither retries by itself. A command that timed out may still have been obeyed, so what must be repeated
is repeated by callers who know that it is safe.
"""

import socket
from functools import cache
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.redis.fail_fast import FailFast

WEB_TIMEOUT_SECONDS = 0.4
WORKER_TIMEOUT_SECONDS = 2.0
# A network that swallows everything is noticed after 25 s, whether something was sent or is awaited (milliseconds for the former).
KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 25_000,
}


@cache
def for_web() -> Redis:
    """The client for requests: gives up after 0.4 s, and for a second after that at once."""
    return _client(WEB_TIMEOUT_SECONDS, retry=FailFast())


@cache
def for_worker() -> Redis:
    """The client for tasks and commands: gives up after 2 s."""
    return _client(WORKER_TIMEOUT_SECONDS)


def beside(database: int) -> Redis:
    """A client for another database of the same server, as patient as a worker's."""
    url = urlunsplit(urlsplit(settings.REDIS_URL)._replace(path=f"/{database}"))
    return _client(WORKER_TIMEOUT_SECONDS, url=url)


def _client(timeout: float, *, url: str | None = None, retry: Retry | None = None) -> Redis:
    return Redis.from_url(
        url or settings.REDIS_URL,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # redis-py retries ten times by default, and re-sends commands such as INCR.
        retry=retry or Retry(NoBackoff(), 0),
        health_check_interval=15,
        socket_keepalive=True,
        socket_keepalive_options=KEEPALIVE,
        decode_responses=True,
    )
