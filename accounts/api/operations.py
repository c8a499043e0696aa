"""The endpoint `/operations`, which lets staff read the audit log.

Only administrators see the operations on users and API tokens.
"""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.permissions import MaySeeSystem
from accounts.api.scoped import ListViewSet
from audit.models import Operation
from common.api.fields import KeyField, TimeField
from common.api.pagination import CursorPages
from common.api.strict_serializers import Parameters


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """An operation: the record of one action.

    For a change, `before` and `after` contain only the columns that differ. Secrets are shown as `(secret)`.
    """

    actor_id = serializers.IntegerField(allow_null=True, help_text="null when the system acted")
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
    """Filters for the list of operations."""

    actor_id = KeyField(required=False)
    action = serializers.CharField(required=False)
    target_type = serializers.CharField(
        required=False, help_text="app and model, such as `polling.pollingconfig`"
    )
    target_id = serializers.CharField(required=False, help_text="requires `target_type`")
    since = TimeField(
        source="at__gte",
        required=False,
        help_text="An operation that commits late may have an earlier time than one that was read before.",
    )
    until = TimeField(source="at__lt", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # An id alone is ambiguous, because rows of different types can have the same id.
        if "target_id" in attrs and "target_type" not in attrs:
            raise ValidationError(
                {
                    "target_type": ErrorDetail(
                        "Give the type of the target together with its id.", code="required"
                    )
                }
            )
        return attrs


class OperationPages(CursorPages):
    """Pages of operations, newest first."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)


class OperationViewSet(ListViewSet[Operation]):
    """Operations, newest first. They are never changed or deleted."""

    subject = "operation"
    model = Operation
    permission_classes = (MaySeeSystem,)
    serializer_class = OperationSerializer
    pagination_class = OperationPages
    parameters = OperationParameters
