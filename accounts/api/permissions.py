"""Who may call what. A view without a permission of its own is closed to everybody."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.roles import Role


class DenyAll(BasePermission):
    """The default."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Never."""
        return False


class MayRead(BasePermission):
    """Everybody who is signed in; reading only. Which rows they see is for the query to say."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether something may be read at all."""
        return (
            isinstance(request.user, User)
            # A method that the view does not have is for it to refuse, with 405.
            and (request.method in SAFE_METHODS or not hasattr(view, str(request.method).lower()))
            and (request.auth is None or isinstance(request.auth, ApiToken))
        )


class MaySeeSystem(MayRead):
    """Administrators, operators and viewers; reading only."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the system's own figures may be read."""
        user = request.user
        return (
            super().has_permission(request, view) and isinstance(user, User) and user.role in Role.of_staff()
        )
