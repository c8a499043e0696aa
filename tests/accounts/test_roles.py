import pytest
from django.contrib.auth.models import Group

from accounts.models import User
from accounts.roles import Role
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_strongest_of_several_roles_counts() -> None:
    user = UserFactory.create(role="viewer")
    user.groups.add(Group.objects.get(name="operator"))

    assert user.role is Role.OPERATOR
    assert User.objects.create_superuser("root", password="x").role is Role.ADMINISTRATOR


def test_each_role_has_its_admin_permissions() -> None:
    viewer, operator = UserFactory.create(role="viewer"), UserFactory.create(role="operator")
    administrator = UserFactory.create(role="administrator")

    assert viewer.has_perm("cards.view_card")
    assert not viewer.has_perm("polling.change_pollingconfig")
    assert operator.has_perm("polling.change_pollingconfig")
    assert not operator.has_perm("accounts.change_user")
    assert not operator.has_perm("accounts.view_apitoken")
    assert administrator.has_perm("accounts.change_user")
