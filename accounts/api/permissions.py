"""Who may call what. A view without a permission of its own is closed to everybody.

Which rows one sees is for the query to say: see `accounts.scoping`.
"""

from typing import Any, ClassVar

from rest_framework.exceptions import PermissionDenied
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
    """Everybody who is signed in; reading only. A token whose scope is reading writes nowhere, whoever's it is."""

    # None: any role, and none.
    readers: ClassVar[tuple[Role, ...] | None] = None
    writers: ClassVar[tuple[Role, ...]] = ()

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether this method may be called. Raises PermissionDenied when it is for the token's scope alone."""
        user = request.user
        if not isinstance(user, User) or not isinstance(request.auth, ApiToken | None):
            return False
        # A method that the view does not have is for it to refuse, with 405.
        if request.method in SAFE_METHODS or not hasattr(view, str(request.method).lower()):
            return self.readers is None or user.role in self.readers
        if user.role not in self.writers:
            return False
        if request.auth is not None and request.auth.scope != ApiToken.Scope.WRITE:
            raise PermissionDenied("This token may only read.", code="token_only_reads")
        return True


class MaySeeSystem(MayRead):
    """Administrators, operators and viewers; reading only."""

    readers = Role.of_staff()


class MayReadOwn(MayRead):
    """Everybody with a role; reading only."""

    readers = tuple(Role)


class MayOperate(MaySeeSystem):
    """The same, and administrators and operators write."""

    writers = (Role.ADMINISTRATOR, Role.OPERATOR)


class MayOperateShared(MayOperate):
    """The same, and agents read what they see of it."""

    readers = tuple(Role)


class MayAdminister(MayRead):
    """Administrators only."""

    readers = writers = (Role.ADMINISTRATOR,)


class MayAct(MayRead):
    """Everybody but viewers writes, on what he sees; everybody with a role reads."""

    readers = tuple(Role)
    writers = (Role.ADMINISTRATOR, Role.OPERATOR, Role.AGENT)
