"""Limits on the rate of API requests, per user. The headers follow draft-ietf-httpapi-ratelimit-headers."""

from math import ceil
from typing import Any, Final

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import keys, rate_limits
from common.redis.rate_limiter import Policy, Turn

MINUTE: Final = 60


class RequestRate(BaseThrottle):
    """A throttle with two limits for each user, one on reads and one on writes."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request and set the rate headers. Return False if the user has reached the limit."""
        policy = _policy(request)
        user = request.user.pk
        turn = rate_limits.take(policy, keys.requests(policy.name, user), user=user)
        self._next_in = turn.next_in
        view.headers.update(_headers(policy, turn))
        return turn.is_taken

    def wait(self) -> float:
        """Return the seconds until the user may send another request, rounded up."""
        return ceil(self._next_in)


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
