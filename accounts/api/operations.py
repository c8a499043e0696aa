"""`/operations`: who did what. Staff reads them; those on users and tokens only administrators."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.permissions import MaySeeSystem
from accounts.api.scoped import Listed
from audit.models import Operation
from common.api.fields import KeyField
from common.api.pagination import CursorPages
from common.api.strict_serializers import Parameters


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """An operation. Of a change, `before` and `after` hold what differs; secrets are `(secret)`."""

    actor_id = serializers.IntegerField(allow_null=True, help_text="null: the system")
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)

    class Meta:
        model = Operation
        fields = (
            "id",
            "at",
            "actor_id",
            "actor_name",
            "action",
            "target_type",
            "target_id",
            "before",
            "after",
            "client_ip",
            "server_ip",
            "request_id",
        )


class OperationParameters(Parameters):
    """Filters of the list."""

    actor_id = KeyField(required=False)
    action = serializers.CharField(required=False)
    target_type = serializers.CharField(required=False, help_text="such as `polling.pollingconfig`")
    target_id = serializers.CharField(required=False, help_text="with `target_type`")
    since = serializers.DateTimeField(source="at__gte", required=False)
    until = serializers.DateTimeField(source="at__lt", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Many rows share an id."""
        if "target_id" in attrs and "target_type" not in attrs:
            raise ValidationError(
                {"target_type": ErrorDetail("An id says nothing without its type.", code="required")}
            )
        return attrs


class OperationPages(CursorPages):
    """The newest first."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)


class OperationViewSet(Listed[Operation]):
    """Operations, the newest first. They are only ever added."""

    subject = "operation"
    model = Operation
    permission_classes = (MaySeeSystem,)
    serializer_class = OperationSerializer
    pagination_class = OperationPages
    parameters = OperationParameters
