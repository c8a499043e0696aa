"""Name the user of a request in its log lines, and count the user as active."""

from structlog.contextvars import bind_contextvars

from accounts import active_users
from accounts.models import ApiToken, User


def bind(user: User, token: ApiToken | None = None) -> None:
    """Add the user, the role and the beginning of the token to all further log lines of this request.

    Also note that the user is active.
    """
    active_users.note(user.pk)
    known = {"user": user.get_username(), "role": user.role.value if user.role else None}
    bind_contextvars(**known, **({"token": token.prefix} if token else {}))
