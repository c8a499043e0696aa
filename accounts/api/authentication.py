"""Authentication of API requests by a bearer token (RFC 6750). `Token <token>` is accepted as well."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import tokens
from accounts.models import ApiToken, User

SCHEMES = ("bearer", "token")


class TokenAuthentication(BaseAuthentication):
    """Authentication by `Authorization: Bearer <token>`. A malformed header is answered with status 401."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the user and the token, or None if the request has no Authorization header.

        Raise AuthenticationFailed if the header has a scheme not in `SCHEMES` or the token cannot be used.
        """
        header = get_authorization_header(request)
        if not header:
            return None
        scheme, _, text = header.decode("latin-1").partition(" ")
        if scheme.lower() not in SCHEMES:
            raise AuthenticationFailed("Use `Authorization: Bearer <token>`.")
        token = tokens.find(text.strip(), now=timezone.now())
        if token is None:
            raise AuthenticationFailed("The token is not valid.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Return the `WWW-Authenticate` header for answers with status 401."""
        return 'Bearer realm="simwatch"'
