"""The fields of manual triggers in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.scoping import sees_everything
from cards.models import Card, CheckType
from common.api.fields import KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer, StrictSerializer
from polling.models import ManualItem, ManualTrigger
from polling.triggers.choosing import MAX_CARDS


class SingleSerializer(StrictSerializer):
    """A check of one card."""

    card_id = KeyField()
    task_type = serializers.ChoiceField(choices=CheckType.choices)


class BatchSerializer(StrictSerializer):
    """A check of up to a thousand cards."""

    card_ids = serializers.ListField(child=KeyField(), min_length=1, max_length=MAX_CARDS)
    task_type = serializers.ChoiceField(choices=CheckType.choices)


class ConditionSerializer(StrictSerializer):
    """A check of the cards that meet all conditions, at most a thousand.

    `agent_id` includes the agents below it.
    """

    task_type = serializers.ChoiceField(choices=CheckType.choices)
    status = serializers.ChoiceField(choices=Card.Status.choices, required=False)
    carrier_id = KeyField(required=False)
    card_category = serializers.ChoiceField(choices=Card.Category.choices, required=False)
    agent_id = KeyField(required=False)
    device_id = KeyField(required=False)


class AcceptedSerializer(serializers.Serializer[ManualTrigger]):
    """What a trigger accepted.

    `skipped` counts cards that do not want the check or that the caller may not see. By condition it also
    counts cards that already wait for the check.
    """

    trigger_id = serializers.IntegerField(source="pk")
    accepted = serializers.IntegerField()
    skipped = serializers.IntegerField()


class ManualTriggerSerializer(StrictModelSerializer[ManualTrigger]):
    """A manual trigger and its progress."""

    trigger_id = serializers.IntegerField(source="pk", read_only=True)
    requester = serializers.CharField(source="requester.username", read_only=True)
    condition = serializers.DictField(read_only=True)

    class Meta:
        model = ManualTrigger
        fields: tuple[str, ...] = (
            "trigger_id",
            "requester",
            "task_type",
            "kind",
            "condition",
            "status",
            "accepted",
            "skipped",
            "done",
            "failed",
            "created_at",
            "started_at",
            "ended_at",
        )
        read_only_fields: tuple[str, ...] = fields


class ItemSerializer(serializers.Serializer[Any]):
    """A card of a trigger; `result` says why the check failed."""

    card_id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=ManualItem.Status.choices)
    result = serializers.CharField(allow_blank=True)


class TriggerStatusSerializer(ManualTriggerSerializer):
    """A manual trigger with its cards."""

    items = serializers.SerializerMethodField()

    class Meta(ManualTriggerSerializer.Meta):
        fields = (*ManualTriggerSerializer.Meta.fields, "items")
        read_only_fields = fields

    @extend_schema_field(ItemSerializer(many=True))
    def get_items(self, trigger: ManualTrigger) -> list[dict[str, Any]]:
        """Return the items as plain rows: a thousand would take 40 ms in serializer fields."""
        rows = ManualItem.objects.filter(trigger=trigger)
        if not sees_everything(user := self.context["request"].user):
            # A card that has moved to another agent since is hidden from the old one.
            rows = rows.filter(card__in=Card.objects.known_to(user))
        items = rows.order_by("id").values("card_id", "status", "result")
        return [dict(row) for row in items]


class TriggerKeySerializer(StrictSerializer):
    """The id of a trigger."""

    trigger_id = KeyField()


class CancelledSerializer(TriggerKeySerializer):
    """How many checks were cancelled."""

    cancelled = serializers.IntegerField(help_text="cards whose check had no result yet")


class StatusParameters(Parameters):
    """The trigger to show."""

    trigger_id = KeyField()


class HistoryParameters(Parameters):
    """Filters of the history."""

    task_type = serializers.ChoiceField(choices=CheckType.choices, required=False)
    status = serializers.ChoiceField(choices=ManualTrigger.Status.choices, required=False)
