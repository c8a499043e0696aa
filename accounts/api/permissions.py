"""Permissions of API views, by role. A view that declares none is closed to everyone.

Permissions open a view; which rows a caller sees is decided by `accounts.scoping`.
"""

from typing import Any, ClassVar

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.roles import Role


class DenyAll(BasePermission):
    """Refuses every request; the default of the API."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class MayRead(BasePermission):
    """Every signed-in user may read. Subclasses name the roles that may read and write.

    A token with the scope `read` never writes, whatever its user's role.
    """

    # None admits every signed-in user, even one without a role.
    readers: ClassVar[tuple[Role, ...] | None] = None
    writers: ClassVar[tuple[Role, ...]] = ()

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the user may call the method.

        Raises PermissionDenied when only the scope of the token forbids it.
        """
        user = request.user
        if not isinstance(user, User) or not isinstance(request.auth, ApiToken | None):
            return False
        # A method that the view lacks passes here, so that the view answers it with 405.
        if request.method in SAFE_METHODS or not hasattr(view, str(request.method).lower()):
            return self.readers is None or user.role in self.readers
        if user.role not in self.writers:
            return False
        if request.auth is not None and request.auth.scope != ApiToken.Scope.WRITE:
            raise PermissionDenied("This token is read-only.", code="token_only_reads")
        return True


class MaySeeSystem(MayRead):
    """Read-only, for administrators, operators and viewers."""

    readers = Role.of_staff()


class MayReadOwn(MayRead):
    """Read-only, for every role."""

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
    """Every role may read; every role except viewer may write, on the rows that it sees."""

    readers = tuple(Role)
    writers = (Role.ADMINISTRATOR, Role.OPERATOR, Role.AGENT)
