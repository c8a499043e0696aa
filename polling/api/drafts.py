"""The fields of a dry run: the draft that is sent, and what it would change."""

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

BASE_FIELD = "config_id"


class BaseConfigSerializer(StrictSerializer):
    """The existing config that the draft would change."""

    config_id = VisibleKey(PollingConfig, required=False)


class DraftSerializer(PollingConfigSerializer):
    """A config as it would be saved.

    With `config_id` it changes that config, which supplies the fields that are not sent.
    """

    config_id = VisibleKey(PollingConfig, required=False)

    class Meta:
        model = PollingConfig
        fields = (
            BASE_FIELD,
            *(name for name in PollingConfigSerializer.Meta.fields if name not in {"id", "matched_cards"}),
        )


def draft_of(sent: Any, context: Mapping[str, Any]) -> PollingConfig:
    """Return the draft as an unsaved config. Raises ValidationError."""
    base = BaseConfigSerializer(
        data={name: sent[name] for name in (BASE_FIELD,) if name in sent}, context=dict(context)
    )
    base.is_valid(raise_exception=True)
    draft: PollingConfig | None = base.validated_data.get(BASE_FIELD)
    own = {name: value for name, value in sent.items() if name != BASE_FIELD}
    fields = PollingConfigSerializer(draft, data=own, partial=draft is not None, context=dict(context))
    fields.is_valid(raise_exception=True)
    draft = draft or PollingConfig()
    for name, value in fields.validated_data.items():
        setattr(draft, name, value)
    return draft


class DecisionSerializer(serializers.Serializer[Decision]):
    """A decision about a check: how often it is made, why, and by which config.

    `config_id` is null without a config, and for a draft that is not saved.
    """

    config_id = serializers.IntegerField(source="config.pk", default=None, allow_null=True)
    config = serializers.CharField(source="config.name", default=None, allow_null=True)
    interval_seconds = serializers.SerializerMethodField(help_text="null: the check is not made")
    reason = serializers.CharField()

    def get_interval_seconds(self, decision: Decision) -> int | None:
        return int(decision.interval.total_seconds()) if decision.interval else None


class ChangeSerializer(serializers.Serializer[Change]):
    """The decision about one check, before and after."""

    task_type = serializers.CharField(source="check_type")
    before = DecisionSerializer()
    after = DecisionSerializer()


class MoveSerializer(serializers.Serializer[Any]):
    """How many cards get another config or interval for a check."""

    cards = serializers.IntegerField()
    task_type = serializers.CharField(source="change.check_type")
    before = DecisionSerializer(source="change.before")
    after = DecisionSerializer(source="change.after")


class DemandSerializer(serializers.Serializer[Demand]):
    """The load on a gateway.

    Calls assume full batches; `calls_per_second` is null for a check that calls no gateway.
    """

    cards = serializers.IntegerField()
    checks_per_second = serializers.FloatField()
    calls_per_second = serializers.FloatField(allow_null=True)
    is_too_much = serializers.BooleanField(help_text="more calls than the gateway allows")


class LoadSerializer(serializers.Serializer[Load]):
    """The load of one check on one gateway, before and after."""

    task_type = serializers.CharField(source="before.check_type")
    gateway_id = serializers.IntegerField(source="before.gateway.pk", default=None, allow_null=True)
    gateway = serializers.CharField(source="before.gateway.name", default=None, allow_null=True)
    before = DemandSerializer()
    after = DemandSerializer()


class SampleSerializer(serializers.Serializer[Any]):
    """A card that the draft matches, as an example."""

    card_id = serializers.IntegerField()
    iccid = serializers.CharField()
    checks = ChangeSerializer(source="changes", many=True)


class DryRunSerializer(serializers.Serializer[Any]):
    """What would happen if the draft were saved."""

    matched_cards = serializers.IntegerField()
    moves = MoveSerializer(
        many=True, help_text="cards whose check would be decided differently, largest groups first"
    )
    loads = LoadSerializer(many=True)
    samples = SampleSerializer(many=True, help_text="at most ten cards")
