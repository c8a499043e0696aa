"""The authentication scheme for the OpenAPI schema. drf-spectacular uses it once this module is imported."""

from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The description of `TokenAuthentication` as a bearer token (RFC 6750)."""

    target_class = "accounts.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return build_bearer_security_scheme_object("Authorization", "Bearer")


class NamedSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """The description of `NamedSessionAuthentication` as a session cookie."""

    target_class = "accounts.api.authentication.NamedSessionAuthentication"
