"""How one signs in, for the OpenAPI schema. Found by drf-spectacular when it is imported, with the views."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Bearer tokens."""

    target_class = "accounts.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> Any:
        """As RFC 6750 has it."""
        return build_bearer_security_scheme_object("Authorization", "Bearer")
