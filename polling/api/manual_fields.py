"""The fields of manual triggers in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.scoping import sees_everything
from cards.models import Card, CheckType
from common.api.fields import BoundedListField, ChoiceField, KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer, StrictSerializer
from polling.models import ManualItem, ManualTrigger
from polling.triggers.choosing import MAX_CARDS


class SingleSerializer(StrictSerializer):
    """A request to check one card."""

    card_id = KeyField()
    task_type = ChoiceField(choices=CheckType.choices)


class BatchSerializer(StrictSerializer):
    """A request to check up to a thousand cards."""

    card_ids = BoundedListField(child=KeyField(), min_length=1, max_length=MAX_CARDS)
    task_type = ChoiceField(choices=CheckType.choices)


class ConditionSerializer(StrictSerializer):
    """A request to check the cards that meet all given conditions, but at most a thousand of them.

    `agent_id` selects the cards of this agent and of all agents below it.
    """

    task_type = ChoiceField(choices=CheckType.choices)
    status = ChoiceField(choices=Card.Status.choices, required=False)
    carrier_id = KeyField(required=False)
    card_category = ChoiceField(choices=Card.Category.choices, required=False)
    agent_id = KeyField(required=False)
    device_id = KeyField(required=False)


class AcceptedSerializer(serializers.Serializer[ManualTrigger]):
    """How many cards a new trigger will check.

    `accepted` counts the cards that will be checked. `skipped` counts the other requested cards: those that
    do not want the check, and those that the caller may not see. A trigger by condition leaves out cards
    that already wait for the check, so neither number includes them.
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
    """One card of a trigger. If its check failed, `result` says why."""

    card_id = serializers.IntegerField()
    status = ChoiceField(choices=ManualItem.Status.choices)
    result = serializers.CharField(allow_blank=True)


class TriggerStatusSerializer(ManualTriggerSerializer):
    """A manual trigger with its cards."""

    items = serializers.SerializerMethodField()

    class Meta(ManualTriggerSerializer.Meta):
        fields = (*ManualTriggerSerializer.Meta.fields, "items")
        read_only_fields = fields

    @extend_schema_field(ItemSerializer(many=True))
    def get_items(self, trigger: ManualTrigger) -> list[dict[str, Any]]:
        """Return the card id, status and result of each card of the trigger."""
        # Return plain rows, because serializing a thousand items field by field would take 40 ms.
        rows = ManualItem.objects.filter(trigger=trigger)
        if not sees_everything(user := self.context["request"].user):
            # Hide cards that have moved to another agent since the trigger was made.
            rows = rows.filter(card__in=Card.objects.known_to(user))
        items = rows.order_by("id").values("card_id", "status", "result")
        return [dict(row) for row in items]


class TriggerKeySerializer(StrictSerializer):
    """The id of a trigger."""

    trigger_id = KeyField()


class CancelledSerializer(TriggerKeySerializer):
    """The result of a cancellation."""

    cancelled = serializers.IntegerField(help_text="number of cards whose check was cancelled")


class StatusParameters(Parameters):
    """The query parameter of the status endpoint: the id of the trigger to show."""

    trigger_id = KeyField()


class HistoryParameters(Parameters):
    """Filters of the history of triggers."""

    task_type = ChoiceField(choices=CheckType.choices, required=False)
    status = ChoiceField(choices=ManualTrigger.Status.choices, required=False)
