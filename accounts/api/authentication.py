"""Authentication of API requests by a bearer token (RFC 6750). `Token <token>` is accepted as well."""

import structlog
from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts import keys, log_context, rate_limits, tokens
from accounts.models import ApiToken, User
from common import addresses
from common.redis.rate_limiter import Policy

SCHEMES = ("bearer", "token")

log = structlog.get_logger(__name__)


class TokenAuthentication(BaseAuthentication):
    """Authentication by `Authorization: Bearer <token>`. A malformed header is answered with status 401."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the user and the token, or None if the request has no Authorization header.

        Raise AuthenticationFailed if the header has a scheme not in `SCHEMES` or the token cannot be used, and
        Throttled if too many tokens that cannot be used have come from this address.
        """
        header = get_authorization_header(request)
        if not header:
            return None
        scheme, _, text = header.decode("latin-1").partition(" ")
        if scheme.lower() not in SCHEMES:
            raise AuthenticationFailed("Use `Authorization: Bearer <token>`.")
        token = tokens.find(text.strip(), now=timezone.now())
        if token is None:
            _count_failure(request)
            raise AuthenticationFailed("The token is not valid.")
        log_context.bind(token.user, token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Return the `WWW-Authenticate` header for answers with status 401."""
        return 'Bearer realm="simwatch"'


class NamedSessionAuthentication(SessionAuthentication):
    """Authentication by the session of the admin. Log lines name the user."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        found = super().authenticate(request)
        if found:
            log_context.bind(found[0])
        return found


def _count_failure(request: Request) -> None:
    """Raise Throttled if too many wrong tokens have come from the client's address."""
    policy = Policy("wrong-tokens", settings.ACCOUNTS.wrong_tokens_per_address, 60)
    address = addresses.client_address(request._request)
    if address is None:
        return
    turn = rate_limits.take(policy, keys.wrong_tokens(rate_limits.digest(address)), address=address)
    if not turn.is_taken:
        raise Throttled(turn.next_in)
