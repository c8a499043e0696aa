"""`/pauses`: checks that are not made for a while."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.serializers import BaseSerializer

from accounts.api.permissions import MayOperate
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import Created, Deleted, Listed, Shown
from carriers.models import Carrier, Gateway
from common import database
from common.api.strict_serializers import Parameters, StrictModelSerializer
from polling.models import Pause, TaskType
from polling.planning import pauses


class NoneOrTaskType(serializers.ChoiceField):
    """A type of task; null where the model has an empty one."""

    def __init__(self, **kwargs: Any) -> None:
        """As every field."""
        super().__init__(choices=TaskType.choices, allow_null=True, required=False, **kwargs)

    def to_representation(self, value: Any) -> Any:
        """As programs read it."""
        return value or None


class PauseSerializer(StrictModelSerializer[Pause]):
    """A pause of one thing: a type of task, a carrier or a gateway; the other two are null."""

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
        """Of one thing, and with an end to come."""
        attrs["task_type"] = attrs.get("task_type") or ""
        of = (attrs["task_type"], attrs.get("carrier"), attrs.get("gateway"))
        if wrong := pauses.rejection_reason(*of):
            raise ValidationError({"task_type": ErrorDetail(wrong, code="not_of_one_thing")})
        if wrong := pauses.why_not_until(attrs["until"], begun=database.now()):
            raise ValidationError({"until": ErrorDetail(wrong, code="invalid")})
        return attrs


class PauseParameters(Parameters):
    """Filters of the list."""

    task_type = serializers.ChoiceField(choices=TaskType.choices, required=False)
    carrier_id = serializers.IntegerField(required=False)
    gateway_id = serializers.IntegerField(required=False)
    in_force = serializers.BooleanField(required=False, help_text="now")


class PauseViewSet(Listed[Pause], Shown[Pause], Created[Pause], Deleted[Pause]):
    """Pauses, the one that ends last in front. They are in force within a second."""

    subject = "pause"
    model = Pause
    permission_classes = (MayOperate,)
    serializer_class = PauseSerializer
    parameters = PauseParameters

    def get_queryset(self) -> QuerySet[Pause]:
        """With what is shown of them."""
        return super().get_queryset().select_related("owner", "gateway").order_by("-until", "-id")

    def filtered(self, rows: QuerySet[Pause], asked: Mapping[str, Any]) -> QuerySet[Pause]:
        """Whether one is in force is a question of the time."""
        others = {name: value for name, value in asked.items() if name != "in_force"}
        rows = super().filtered(rows, others)
        if "in_force" not in asked:
            return rows
        in_force = Pause.objects.in_force_at(database.now()).values("pk")
        return rows.filter(pk__in=in_force) if asked["in_force"] else rows.exclude(pk__in=in_force)

    def perform_create(self, serializer: BaseSerializer[Pause]) -> Pause:
        """Who makes one owns it."""
        return serializer.save(owner=self.request.user)

    def perform_destroy(self, row: Pause) -> None:
        """End it early: its cards come back over a minute."""
        pauses.remove([row])
