"""Rate limits of callers. Without Redis, each process counts for itself, with lower limits."""

import math
import time
from dataclasses import replace
from hashlib import sha256
from threading import Lock
from typing import Final, cast

import structlog
from django.conf import settings

from accounts import keys
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from common.redis.rate_limiter import Policy, RateLimiter, Turn

log = structlog.get_logger(__name__)

# A site has several web processes, and a caller may reach each of them.
SHARE_WITHOUT_REDIS: Final = 4
MAX_CALLERS: Final = 10_000


def take(policy: Policy, key: str, **caller: object) -> Turn:
    """Take a turn of the limit whose Redis key is `key`. If none is left, log `caller` and count the refusal.

    Without Redis, count in this process; raise the error of redis-py if that is switched off.

    Example::

        turn = take(Policy("reads", turns=600, seconds=60), keys.requests("reads", user.pk), user=user.pk)
        if not turn.is_taken:
            ...
    """
    turn = _take(policy, key)
    if not turn.is_taken:
        log.warning("rate_limited", policy=policy.name, **caller)
        with degraded_without_redis("a refused request is not counted"):
            for_web().hincrby(keys.REFUSED, policy.name, 1)
    return turn


def refused() -> dict[str, int]:
    """Return how many requests each limit has refused since Redis was emptied."""
    found = cast("dict[str, str]", for_web().hgetall(keys.REFUSED))
    return {policy: int(requests) for policy, requests in found.items()}


def _take(policy: Policy, key: str) -> Turn:
    if not settings.ACCOUNTS.count_without_redis:
        return RateLimiter(for_web(), key, policy).take()
    with degraded_without_redis("each process counts its requests alone") as degraded:
        turn = RateLimiter(for_web(), key, policy).take()
    if degraded.is_on:
        turn = _LOCAL.take(key, lowered(policy), now=time.monotonic())
    return turn


def digest(subject: str) -> str:
    """Return the digest of a name or an address. Redis holds only digests of them."""
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def lowered(policy: Policy) -> Policy:
    """Return the limit that holds in one process."""
    return replace(policy, turns=max(1, policy.turns // SHARE_WITHOUT_REDIS))


class LocalRateLimiter:
    """Rate limits with bursts (GCRA, like `RateLimiter`), for the callers of this process.

    It keeps the time at which all turns of a caller are available again, for at most `max_callers` callers.
    """

    def __init__(self, max_callers: int = MAX_CALLERS) -> None:
        self._max_callers = max_callers
        self._all_back_at: dict[str, float] = {}
        self._lock = Lock()

    def take(self, key: str, policy: Policy, *, now: float) -> Turn:
        """Take a turn at the time `now` (in seconds) if one is left."""
        interval = policy.seconds / policy.turns
        with self._lock:
            before = max(now, self._all_back_at.pop(key, now))
            # The tolerance makes up for rounding, so that all turns can be taken at once.
            is_taken = before + interval - now <= policy.seconds + interval / 1000
            back_at = before + interval if is_taken else before
            # Callers stand in the order of their latest turns, so the first ones are the longest silent.
            self._all_back_at[key] = back_at
            while len(self._all_back_at) > self._max_callers:
                del self._all_back_at[next(iter(self._all_back_at))]
        left = math.floor((policy.seconds + interval / 1000 - (back_at - now)) / interval)
        next_in = max(0.0, back_at + interval - now - policy.seconds) if left < 1 else 0.0
        return Turn(is_taken, left, next_in, back_at - now)


_LOCAL: Final = LocalRateLimiter()
