"""The Redis clients: one with a short timeout for web requests, and one with a longer timeout for workers.

No client retries, because a command that timed out may still have been executed. Only the caller knows
whether repeating its command is safe.
"""

import socket
from functools import cache
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from redis import Redis
from redis.retry import Retry

from common.redis.retries import FailFast, NoRetry

WEB_TIMEOUT_SECONDS = 0.4
WORKER_TIMEOUT_SECONDS = 2.0
# Notice within 25 s that the network drops all packets. The first three options apply while a process waits
# for an answer. The last option (in milliseconds) applies while sent data is not acknowledged.
KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 25_000,
}


@cache
def for_web() -> Redis:
    """Return the client for web requests. It times out after 0.4 s.

    For 1 s after a timeout, all its calls fail immediately.
    """
    return _client(WEB_TIMEOUT_SECONDS, retry=FailFast())


@cache
def for_worker() -> Redis:
    """Return the client for tasks and commands. It times out after 2 s."""
    return _client(WORKER_TIMEOUT_SECONDS)


def for_database(database: int) -> Redis:
    """Return a client for the database with this number on the same server, with a worker's timeout."""
    url = urlunsplit(urlsplit(settings.REDIS_URL)._replace(path=f"/{database}"))
    return _client(WORKER_TIMEOUT_SECONDS, url=url)


def _client(timeout: float, *, url: str | None = None, retry: Retry | None = None) -> Redis:
    return Redis.from_url(
        url or settings.REDIS_URL,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # Switch off redis-py's ten retries, because they also repeat commands such as INCR.
        retry=retry or NoRetry(),
        health_check_interval=15,
        socket_keepalive=True,
        socket_keepalive_options=KEEPALIVE,
        decode_responses=True,
    )
