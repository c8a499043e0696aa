"""The two Redis clients: pages must not wait, workers may wait a little.

Neither retries by itself. A command that timed out may still have been obeyed, so what must be repeated
is repeated by callers who know that it is safe.
"""

from functools import cache
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.redis.impatience import Impatience

WEB_TIMEOUT_SECONDS = 0.4
WORKER_TIMEOUT_SECONDS = 2.0


@cache
def for_web() -> Redis:
    """The client for requests: gives up after 0.4 s, and for a second after that at once."""
    return _client(WEB_TIMEOUT_SECONDS, retry=Impatience())


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
        decode_responses=True,
    )
