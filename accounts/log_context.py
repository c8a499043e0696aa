"""Name the user of a request in its log lines."""

from structlog.contextvars import bind_contextvars

from accounts.models import ApiToken, User


def bind(user: User, token: ApiToken | None = None) -> None:
    """Add the user, the role and the beginning of the token to all further log lines of this request."""
    known = {"user": user.get_username(), "role": user.role.value if user.role else None}
    bind_contextvars(**known, **({"token": token.prefix} if token else {}))
