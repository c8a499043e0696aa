"""The endpoint `/users` for user accounts and their roles, for administrators only."""

from typing import Any, Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from drf_spectacular.drainage import set_override
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.serializers import BaseSerializer

from accounts import roles
from accounts.api.permissions import MayAdminister
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import ManagedViewSet
from accounts.models import Agent, User
from accounts.roles import Role
from common.api.fields import ChoiceField, KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer
from common.errors import DomainError

ROLES = [(role.value, role.value) for role in Role]
MAX_PASSWORD_LENGTH = 128
EMAIL_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "format": "email", "maxLength": 254}, {"type": "string", "maxLength": 0}]
}


class UserSerializer(StrictModelSerializer[User]):
    """A user. A user whose `role` is null may do nothing. A user with the role `agent` needs an `agent_id`.

    A user without a password cannot sign in on the site but can still use API tokens.
    """

    role = ChoiceField(choices=ROLES, allow_null=True, required=False)
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

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        set_override(fields["email"], "field", EMAIL_SCHEMA)
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        role = attrs.get("role", self.instance and self.instance.role)
        agent = attrs.get("agent", self.instance and self.instance.agent)
        if role == Role.AGENT and agent is None:
            raise ValidationError(
                {"agent_id": ErrorDetail("A user with the role agent needs an agent.", code="required")}
            )
        # Skip this check if neither field is sent, so that users who already break the rule can be renamed.
        if role != Role.AGENT and agent is not None and {"role", "agent"} & attrs.keys():
            raise ValidationError(
                {"agent_id": ErrorDetail("Only users with the role agent may have an agent.", code="invalid")}
            )
        if "password" in attrs:
            self._check_password(attrs)
        return attrs

    def create(self, validated_data: dict[str, Any]) -> User:
        return _stored(User(), validated_data)

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        return _stored(instance, validated_data)

    def _check_password(self, attrs: dict[str, Any]) -> None:
        personal = {
            name: attrs[name] for name in ("username", "email", "first_name", "last_name") if name in attrs
        }
        try:
            validate_password(attrs["password"], user=User(**personal) if personal else self.instance)
        except DjangoValidationError as error:
            refusals = [ErrorDetail(text, code="weak") for text in error.messages]
            raise ValidationError({"password": refusals}) from None


class UserParameters(Parameters):
    """Filters for the list of users."""

    username = serializers.CharField(required=False)
    agent_id = KeyField(required=False)
    is_active = serializers.BooleanField(required=False)


class UserViewSet(ManagedViewSet[User]):
    """Users, sorted by user name.

    A user cannot be deleted while operations or other rows reference it. Deactivate the user instead.
    """

    subject = "user"
    model = User
    permission_classes = (MayAdminister,)
    serializer_class = UserSerializer
    parameters = UserParameters

    def get_queryset(self) -> QuerySet[User]:
        return super().get_queryset().prefetch_related("groups").order_by("username")

    def perform_update(self, serializer: BaseSerializer[User]) -> User:
        user: Any = serializer.instance
        fields = serializer.validated_data
        changes_role = fields.get("role", user.role) != user.role
        loses_access = fields.get("is_active") is False or changes_role
        if loses_access and user.pk == self.request.user.pk:
            raise DomainError(
                "You cannot deactivate your own account or change its role.", code="own_account", status=409
            )
        if user.is_superuser and changes_role:
            raise DomainError(
                "A superuser is always an administrator; its role cannot be changed.",
                code="superuser",
                status=409,
            )
        return super().perform_update(serializer)

    def perform_destroy(self, row: User) -> None:
        if row.pk == self.request.user.pk:
            raise DomainError("You cannot delete your own account.", code="own_account", status=409)
        super().perform_destroy(row)


def _stored(user: User, fields: dict[str, Any]) -> User:
    columns = {name: value for name, value in fields.items() if name not in {"role", "password"}}
    for name, value in columns.items():
        setattr(user, name, value)
    if "password" in fields:
        user.set_password(fields["password"])
    elif user._state.adding:
        user.set_unusable_password()
    user.save()
    if "role" in fields:
        roles.assign(user, fields["role"])
    # Read the user again, because `user` still caches the old role and groups.
    stored: User = User.objects.select_related("agent").get(pk=user.pk)
    return stored
