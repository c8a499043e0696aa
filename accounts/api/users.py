"""`/users`: who signs in, and as what. Administrators only."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.serializers import BaseSerializer

from accounts import roles
from accounts.api.permissions import MayAdminister
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import Managed
from accounts.models import Agent, User
from accounts.roles import Role
from common.api.fields import KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer
from common.errors import DomainError

ROLES = [(role.value, role.value) for role in Role]
MAX_PASSWORD_LENGTH = 128


class UserSerializer(StrictModelSerializer[User]):
    """A user. `role` null may do nothing; an agent's user needs its `agent_id`.

    Without a password nobody can sign in on the site as this user; tokens are apart from it.
    """

    role = serializers.ChoiceField(choices=ROLES, allow_null=True, required=False)
    agent_id = VisibleKey(Agent, source="agent", allow_null=True, required=False)
    password = serializers.CharField(
        write_only=True, required=False, max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False
    )

    class Meta:
        model = User
        fields = (
            "id",
            "username",
            "email",
            "first_name",
            "last_name",
            "role",
            "agent_id",
            "time_zone",
            "language",
            "is_active",
            "is_staff",
            "password",
            "last_login",
            "date_joined",
        )
        read_only_fields = ("last_login", "date_joined")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An agent's user belongs to one; a password is not easy to guess."""
        role = attrs.get("role", self.instance and self.instance.role)
        agent = attrs.get("agent", self.instance and self.instance.agent)
        if role == Role.AGENT and agent is None:
            raise ValidationError(
                {"agent_id": ErrorDetail("An agent's user needs an agent.", code="required")}
            )
        # One who was made otherwise can still be renamed.
        if role != Role.AGENT and agent is not None and {"role", "agent"} & attrs.keys():
            raise ValidationError(
                {"agent_id": ErrorDetail("Only users with the role agent have one.", code="invalid")}
            )
        if "password" in attrs:
            self._check_password(attrs)
        return attrs

    def create(self, validated_data: dict[str, Any]) -> User:
        """With a role and a password, if there are any."""
        return _stored(User(), validated_data)

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        """The same."""
        return _stored(instance, validated_data)

    def _check_password(self, attrs: dict[str, Any]) -> None:
        named = {
            name: attrs[name] for name in ("username", "email", "first_name", "last_name") if name in attrs
        }
        try:
            validate_password(attrs["password"], user=User(**named) if named else self.instance)
        except DjangoValidationError as error:
            refusals = [ErrorDetail(text, code="weak") for text in error.messages]
            raise ValidationError({"password": refusals}) from None


class UserParameters(Parameters):
    """Filters of the list."""

    username = serializers.CharField(required=False)
    agent_id = KeyField(required=False)
    is_active = serializers.BooleanField(required=False)


class UserViewSet(Managed[User]):
    """Users, by name. One who has done something cannot be deleted: deactivate him."""

    subject = "user"
    model = User
    permission_classes = (MayAdminister,)
    serializer_class = UserSerializer
    parameters = UserParameters

    def get_queryset(self) -> QuerySet[User]:
        """With their roles."""
        return super().get_queryset().prefetch_related("groups").order_by("username")

    def perform_update(self, serializer: BaseSerializer[User]) -> User:
        """Store it; nobody locks himself out, and a superuser has no other role."""
        user: Any = serializer.instance
        sent = serializer.validated_data
        loses = sent.get("is_active") is False or sent.get("role", user.role) != user.role
        if loses and user.pk == self.request.user.pk:
            raise DomainError("This is your own account.", code="own_account", status=409)
        if user.is_superuser and sent.get("role", user.role) != user.role:
            raise DomainError("A superuser is an administrator.", code="superuser", status=409)
        return super().perform_update(serializer)

    def perform_destroy(self, row: User) -> None:
        """Delete him, unless it is the caller, or he has done something."""
        if row.pk == self.request.user.pk:
            raise DomainError("This is your own account.", code="own_account", status=409)
        super().perform_destroy(row)


def _stored(user: User, fields: dict[str, Any]) -> User:
    others = {name: value for name, value in fields.items() if name not in {"role", "password"}}
    for name, value in others.items():
        setattr(user, name, value)
    if "password" in fields:
        user.set_password(fields["password"])
    elif user._state.adding:
        user.set_unusable_password()
    user.save()
    if "role" in fields:
        roles.give(user, fields["role"])
    # What is remembered of it is of before.
    stored: User = User.objects.select_related("agent").get(pk=user.pk)
    return stored
