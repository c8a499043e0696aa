"""Limits on the rate of API requests, per user. The headers follow draft-ietf-httpapi-ratelimit-headers."""

from math import ceil
from typing import Any, Final

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import keys
from common.errors import DomainError
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from common.redis.rate_limiter import Policy, RateLimiter, Turn

MINUTE: Final = 60


class RequestRate(BaseThrottle):
    """A throttle with two limits for each user, one on reads and one on writes.

    While Redis is down, reads are allowed and writes are refused.
    """

    is_open_without_redis = False

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request and set the rate headers. Return False if the user has reached the limit.

        Raise DomainError (503) for a write while Redis is down.
        """
        policy = _policy(request)
        with degraded_without_redis("requests are not counted") as degraded:
            turn = RateLimiter(for_web(), keys.requests(policy.name, request.user.pk), policy).take()
        if degraded.is_on:
            return self._without_redis(request)
        self._next_in = turn.next_in
        view.headers.update(_headers(policy, turn))
        return turn.is_taken

    def wait(self) -> float:
        """Return the seconds until the user may send another request, rounded up."""
        return ceil(self._next_in)

    def _without_redis(self, request: Request) -> bool:
        if self.is_open_without_redis or request.method in SAFE_METHODS:
            return True
        raise DomainError(
            "Redis, which counts requests, does not answer, so writes are refused. Try again soon.",
            code="rate_limit_unavailable",
            status=503,
        )


class OpenRequestRate(RequestRate):
    """The limits of RequestRate, except that writes are allowed while Redis is down.

    Use it for views whose writes are also limited in PostgreSQL.
    """

    is_open_without_redis = True


def _policy(request: Request) -> Policy:
    conf = settings.ACCOUNTS
    if request.method in SAFE_METHODS:
        return Policy("reads", conf.reads_per_minute, MINUTE)
    return Policy("writes", conf.writes_per_minute, MINUTE)


def _headers(policy: Policy, turn: Turn) -> dict[str, str]:
    return {
        "RateLimit-Policy": f'"{policy.name}";q={policy.turns};w={policy.seconds}',
        "RateLimit": f'"{policy.name}";r={turn.left};t={ceil(turn.all_back_in)}',
    }
