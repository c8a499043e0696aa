"""Permissions for API views, by role. A view that declares no permission refuses every request.

A permission decides whether a caller may use a view; `accounts.scoping` decides which rows the caller sees.
"""

from typing import Any, ClassVar

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.roles import Role


class DenyAll(BasePermission):
    """A permission that refuses every request. It is the default for API views."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class MayRead(BasePermission):
    """Every signed-in user may read, and no user may write. Subclasses list the roles that may read or write.

    A token with the scope `read` may never write, whatever role its user has.
    """

    # None lets every signed-in user read, even a user without a role.
    readers: ClassVar[tuple[Role, ...] | None] = None
    writers: ClassVar[tuple[Role, ...]] = ()

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the user may use the request's method on this view.

        Raise PermissionDenied if the role allows the request but the scope of the token does not.
        """
        user = request.user
        if not isinstance(user, User) or not isinstance(request.auth, ApiToken | None):
            return False
        # Treat a method that the view lacks like a read, so that the view can answer it with status 405.
        if request.method in SAFE_METHODS or not hasattr(view, str(request.method).lower()):
            return self.readers is None or user.role in self.readers
        if user.role not in self.writers:
            return False
        if request.auth is not None and request.auth.scope != ApiToken.Scope.WRITE:
            raise PermissionDenied("This token is read-only.", code="token_only_reads")
        return True


class MaySeeSystem(MayRead):
    """Administrators, operators and viewers may read; no role may write."""

    readers = Role.of_staff()


class MayReadOwn(MayRead):
    """Every role may read; no role may write."""

    readers = tuple(Role)


class MayOperate(MaySeeSystem):
    """Administrators, operators and viewers may read; administrators and operators may write."""

    writers = (Role.ADMINISTRATOR, Role.OPERATOR)


class MayOperateShared(MayOperate):
    """Every role may read; administrators and operators may write."""

    readers = tuple(Role)


class MayAdminister(MayRead):
    """Only administrators may read and write."""

    readers = writers = (Role.ADMINISTRATOR,)


class MayAct(MayRead):
    """Every role may read. Every role except viewer may also write, but only to rows that it sees."""

    readers = tuple(Role)
    writers = (Role.ADMINISTRATOR, Role.OPERATOR, Role.AGENT)
