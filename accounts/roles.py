"""The four roles and their permissions in the admin. Each role is a Django group of the same name."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """The roles, strongest first. A user in several of the groups has only the strongest role."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    VIEWER = "viewer"
    AGENT = "agent"

    @classmethod
    def of_staff(cls) -> tuple["Role", ...]:
        """Return the roles that see the entire system."""
        return (cls.ADMINISTRATOR, cls.OPERATOR, cls.VIEWER)

    @property
    def is_administrator(self) -> bool:
        """Whether the role may see and change users and secrets."""
        return self is Role.ADMINISTRATOR

    @property
    def sees_system(self) -> bool:
        """Whether the role sees the entire system rather than one agent's tree."""
        return self in Role.of_staff()


OWN_APPS = ("audit", "accounts", "carriers", "cards", "polling")
# Only administrators get permissions for these models, because they contain users and secrets.
ADMINISTRATOR_ONLY_MODELS = ("user", "apitoken")


def grant_permissions(**_: Any) -> None:
    """Create missing groups, and set the permissions of staff roles. Django calls this after migrations."""
    from django.contrib.auth.models import Group

    for role in Role:
        group, _created = Group.objects.get_or_create(name=role.value)
        if role.sees_system:
            group.permissions.set(_permissions_of(role))


def assign(user: Any, role: Role | str | None) -> None:
    """Replace all roles of the user with `role`. None leaves the user without a role."""
    from django.contrib.auth.models import Group

    user.groups.remove(*Group.objects.filter(name__in=list(Role)))
    if role is not None:
        user.groups.add(Group.objects.get(name=role))


def _permissions_of(role: Role) -> Iterator[Any]:
    from django.contrib.auth.models import Permission

    for permission in Permission.objects.filter(content_type__app_label__in=OWN_APPS).select_related(
        "content_type"
    ):
        if _is_permitted(role, permission.content_type.model, permission.codename):
            yield permission


def _is_permitted(role: Role, model: str, codename: str) -> bool:
    if role.is_administrator:
        return True
    if model in ADMINISTRATOR_ONLY_MODELS:
        return False
    return role is Role.OPERATOR or codename.startswith("view_")
