"""The four roles, and what each may do in the admin. Roles are groups, made by a migration."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """Strongest first: a user of several groups has the first role."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    VIEWER = "viewer"
    AGENT = "agent"

    @classmethod
    def of_staff(cls) -> tuple["Role", ...]:
        """The roles that see the whole system."""
        return (cls.ADMINISTRATOR, cls.OPERATOR, cls.VIEWER)


OWN_APPS = ("audit", "accounts", "carriers", "cards", "polling")
# Users and secrets are the administrator's.
KEPT_FROM_OPERATORS = ("user", "apitoken")


def grant_permissions(**_: Any) -> None:
    """Give the groups their permissions; runs after each migration, when the permissions exist."""
    from django.contrib.auth.models import Group

    for role in Role:
        group, _created = Group.objects.get_or_create(name=role.value)
        if role in Role.of_staff():
            group.permissions.set(_permissions_of(role))


def give(user: Any, role: Role | str | None) -> None:
    """Make `role` the only one of the four that the user has; None: none."""
    from django.contrib.auth.models import Group

    user.groups.remove(*Group.objects.filter(name__in=list(Role)))
    if role is not None:
        user.groups.add(Group.objects.get(name=role))


def _permissions_of(role: Role) -> Iterator[Any]:
    from django.contrib.auth.models import Permission

    for permission in Permission.objects.filter(content_type__app_label__in=OWN_APPS).select_related(
        "content_type"
    ):
        if _may(role, permission.content_type.model, permission.codename):
            yield permission


def _may(role: Role, model: str, codename: str) -> bool:
    if role is Role.ADMINISTRATOR:
        return True
    if model in KEPT_FROM_OPERATORS:
        return False
    return role is Role.OPERATOR or codename.startswith("view_")
