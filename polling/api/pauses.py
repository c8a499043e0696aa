"""The `/pauses` endpoints: list, create and delete pauses, which defer checks until a given time."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.serializers import BaseSerializer

from accounts.api.permissions import MayOperate
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import CreateViewSet, DestroyViewSet, ListViewSet, RetrieveViewSet
from carriers.models import Carrier, Gateway
from common import database
from common.api.fields import ChoiceField
from common.api.strict_serializers import Parameters, StrictModelSerializer
from polling.models import Pause, TaskType
from polling.planning import pauses

TARGETS = ("task_type", "carrier_id", "gateway_id")


class NoneOrTaskType(ChoiceField):
    """A task type or null. The model stores an empty string where the API shows null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=TaskType.choices, allow_null=True, required=False, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class PauseSerializer(StrictModelSerializer[Pause]):
    """A pause of one task type, one carrier or one gateway. The fields of the other two are null."""

    task_type = NoneOrTaskType()
    carrier_id = VisibleKey(Carrier, source="carrier", allow_null=True, required=False)
    gateway_id = VisibleKey(Gateway, source="gateway", allow_null=True, required=False)
    owner_id = serializers.IntegerField(read_only=True)
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = Pause
        fields = (
            "id",
            "task_type",
            "carrier_id",
            "gateway_id",
            "reason",
            "until",
            "owner_id",
            "owner",
            "created_at",
        )
        read_only_fields = ("created_at",)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a valid pause, with an empty `task_type` if none was sent.

        Raise ValidationError unless the pause has exactly one target and ends within the next year.
        """
        attrs["task_type"] = attrs.get("task_type") or ""
        targets = (attrs["task_type"], attrs.get("carrier"), attrs.get("gateway"))
        if error := pauses.target_rejection_reason(*targets):
            raise ValidationError({"task_type": ErrorDetail(error, code="not_of_one_thing")})
        now = database.now()
        if error := pauses.end_rejection_reason(attrs["until"], begun=now):
            raise ValidationError({"until": ErrorDetail(error, code="invalid")})
        if error := pauses.paused_already_reason(*targets, now=now):
            (name,) = (name for name, target in zip(TARGETS, targets, strict=True) if target)
            raise ValidationError({name: ErrorDetail(error, code="already_paused")})
        return attrs


class PauseParameters(Parameters):
    """Filters of the list of pauses."""

    task_type = ChoiceField(choices=TaskType.choices, required=False)
    carrier_id = serializers.IntegerField(required=False)
    gateway_id = serializers.IntegerField(required=False)
    in_force = serializers.BooleanField(
        required=False, help_text="true for pauses that defer checks now, false for the others"
    )


class PauseViewSet(ListViewSet[Pause], RetrieveViewSet[Pause], CreateViewSet[Pause], DestroyViewSet[Pause]):
    """Pauses, sorted by their end, latest first. A new or deleted pause takes effect within a second."""

    subject = "pause"
    model = Pause
    permission_classes = (MayOperate,)
    serializer_class = PauseSerializer
    parameters = PauseParameters

    def get_queryset(self) -> QuerySet[Pause]:
        return super().get_queryset().select_related("owner", "gateway").order_by("-until", "-id")

    def filtered(self, rows: QuerySet[Pause], query: Mapping[str, Any]) -> QuerySet[Pause]:
        """Return the rows that pass all filters. `in_force` needs code here, because it is not a column."""
        others = {name: value for name, value in query.items() if name != "in_force"}
        rows = super().filtered(rows, others)
        if "in_force" not in query:
            return rows
        in_force = Pause.objects.in_force_at(database.now()).values("pk")
        return rows.filter(pk__in=in_force) if query["in_force"] else rows.exclude(pk__in=in_force)

    def perform_create(self, serializer: BaseSerializer[Pause]) -> Pause:
        """Save the pause. The caller becomes its owner."""
        return serializer.save(owner=self.request.user)

    def perform_destroy(self, row: Pause) -> None:
        """Delete the pause. The checks that it deferred become due again, spread over a minute."""
        pauses.remove([row])
