"""What manual triggers look like to programs."""

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
    """One card."""

    card_id = KeyField()
    task_type = serializers.ChoiceField(choices=CheckType.choices)


class BatchSerializer(StrictSerializer):
    """Up to a thousand cards."""

    card_ids = serializers.ListField(child=KeyField(), min_length=1, max_length=MAX_CARDS)
    task_type = serializers.ChoiceField(choices=CheckType.choices)


class ConditionSerializer(StrictSerializer):
    """Cards that meet all that is given, a thousand at most; `agent_id` stands for the agent's whole tree."""

    task_type = serializers.ChoiceField(choices=CheckType.choices)
    status = serializers.ChoiceField(choices=Card.Status.choices, required=False)
    carrier_id = KeyField(required=False)
    card_category = serializers.ChoiceField(choices=Card.Category.choices, required=False)
    agent_id = KeyField(required=False)
    device_id = KeyField(required=False)


class AcceptedSerializer(serializers.Serializer[ManualTrigger]):
    """What came of asking. Skipped are cards that the check is not made of, or that are not to be seen; by condition also those that wait already."""

    trigger_id = serializers.IntegerField(source="pk")
    accepted = serializers.IntegerField()
    skipped = serializers.IntegerField()


class ManualTriggerSerializer(StrictModelSerializer[ManualTrigger]):
    """A trigger and how far it is."""

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
    """One card of a trigger; `result` says why the check failed."""

    card_id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=ManualItem.Status.choices)
    result = serializers.CharField(allow_blank=True)


class TriggerStatusSerializer(ManualTriggerSerializer):
    """The same with its cards."""

    items = serializers.SerializerMethodField()

    class Meta(ManualTriggerSerializer.Meta):
        fields = (*ManualTriggerSerializer.Meta.fields, "items")
        read_only_fields = fields

    @extend_schema_field(ItemSerializer(many=True))
    def get_items(self, trigger: ManualTrigger) -> list[dict[str, Any]]:
        """As the database has them: a thousand would take forty milliseconds to go through fields."""
        rows = ManualItem.objects.filter(trigger=trigger)
        if not sees_everything(user := self.context["request"].user):
            # One that belongs to another agent by now is not his business any more.
            rows = rows.filter(card__in=Card.objects.known_to(user))
        found = rows.order_by("id").values("card_id", "status", "result")
        return [dict(row) for row in found]


class TriggerKeySerializer(StrictSerializer):
    """Which trigger."""

    trigger_id = KeyField()


class CancelledSerializer(TriggerKeySerializer):
    """What cancelling has done."""

    cancelled = serializers.IntegerField(help_text="cards whose check had no result yet")


class StatusParameters(Parameters):
    """Which trigger."""

    trigger_id = KeyField()


class HistoryParameters(Parameters):
    """Filters of the history."""

    task_type = serializers.ChoiceField(choices=CheckType.choices, required=False)
    status = serializers.ChoiceField(choices=ManualTrigger.Status.choices, required=False)
