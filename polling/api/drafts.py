"""The dry run of a config: a draft in, what it would change out."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from accounts.api.related_fields import VisibleKey
from common.api.strict_serializers import StrictSerializer
from polling.api.config_fields import PollingConfigSerializer
from polling.models import PollingConfig
from polling.policy.demand import Demand
from polling.policy.dry_run import Change, Load
from polling.policy.matching import Decision

BASIS = "config_id"


class BasisSerializer(StrictSerializer):
    """The config that the draft would change."""

    config_id = VisibleKey(PollingConfig, required=False)


class DraftSerializer(PollingConfigSerializer):
    """A config as it would be saved. With `config_id` another version of that one: what is not sent is its own."""

    config_id = VisibleKey(PollingConfig, required=False)

    class Meta:
        model = PollingConfig
        fields = (
            BASIS,
            *(name for name in PollingConfigSerializer.Meta.fields if name not in {"id", "matched_cards"}),
        )


def draft_of(sent: Any, context: Mapping[str, Any]) -> PollingConfig:
    """The draft that was sent, not saved. Raises ValidationError."""
    basis = BasisSerializer(
        data={name: sent[name] for name in (BASIS,) if name in sent}, context=dict(context)
    )
    basis.is_valid(raise_exception=True)
    draft: PollingConfig | None = basis.validated_data.get(BASIS)
    own = {name: value for name, value in sent.items() if name != BASIS}
    fields = PollingConfigSerializer(draft, data=own, partial=draft is not None, context=dict(context))
    fields.is_valid(raise_exception=True)
    draft = draft or PollingConfig()
    for name, value in fields.validated_data.items():
        setattr(draft, name, value)
    return draft


class DecisionSerializer(serializers.Serializer[Decision]):
    """What is decided of a check: by which config (null: by none, or one that is not saved), how often, and why."""

    config_id = serializers.IntegerField(source="config.pk", default=None, allow_null=True)
    config = serializers.CharField(source="config.name", default=None, allow_null=True)
    interval_seconds = serializers.SerializerMethodField(help_text="null: not made")
    reason = serializers.CharField()

    def get_interval_seconds(self, decision: Decision) -> int | None:
        """Whole seconds."""
        return int(decision.interval.total_seconds()) if decision.interval else None


class ChangeSerializer(serializers.Serializer[Change]):
    """One check, before and after."""

    task_type = serializers.CharField(source="check_type")
    before = DecisionSerializer()
    after = DecisionSerializer()


class MoveSerializer(serializers.Serializer[Any]):
    """So many cards, from one config or interval to another."""

    cards = serializers.IntegerField()
    task_type = serializers.CharField(source="change.check_type")
    before = DecisionSerializer(source="change.before")
    after = DecisionSerializer(source="change.after")


class DemandSerializer(serializers.Serializer[Demand]):
    """What is asked of a gateway: calls when each is full, null where nobody is called."""

    cards = serializers.IntegerField()
    checks_per_second = serializers.FloatField()
    calls_per_second = serializers.FloatField(allow_null=True)
    is_too_much = serializers.BooleanField(help_text="more calls than the gateway takes")


class LoadSerializer(serializers.Serializer[Load]):
    """One check at one gateway."""

    task_type = serializers.CharField(source="before.check_type")
    gateway_id = serializers.IntegerField(source="before.gateway.pk", default=None, allow_null=True)
    gateway = serializers.CharField(source="before.gateway.name", default=None, allow_null=True)
    before = DemandSerializer()
    after = DemandSerializer()


class SampleSerializer(serializers.Serializer[Any]):
    """A card that the draft concerns."""

    card_id = serializers.IntegerField()
    iccid = serializers.CharField()
    checks = ChangeSerializer(source="changes", many=True)


class DryRunSerializer(serializers.Serializer[Any]):
    """What would happen if the draft were saved."""

    matched_cards = serializers.IntegerField()
    moves = MoveSerializer(many=True, help_text="cards whose check would be decided otherwise, most first")
    loads = LoadSerializer(many=True)
    samples = SampleSerializer(many=True, help_text="ten cards at most")
