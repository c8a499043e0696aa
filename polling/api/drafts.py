"""The fields of a dry run: the draft config in the request, and its effect in the response."""

from collections.abc import Mapping
from typing import Any, ClassVar

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
    """The id of the config that the draft would replace. It is absent if the draft is a new config."""

    config_id = VisibleKey(PollingConfig, required=False)


class DraftSerializer(PollingConfigSerializer):
    """A draft of a config.

    With `config_id`, the draft is a new version of that config: fields that are not sent keep their stored
    values. Without `config_id`, the draft is a new config, which needs `name` and `priority`.
    """

    config_id = VisibleKey(PollingConfig, required=False)

    class Meta:
        model = PollingConfig
        fields = (
            BASE_FIELD,
            *(name for name in PollingConfigSerializer.Meta.fields if name not in {"id", "matched_cards"}),
        )
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "name": {"required": False},
            "priority": {"required": False},
        }


def draft_of(sent: Any, context: Mapping[str, Any]) -> PollingConfig:
    """Return the draft that the request body `sent` describes, as an unsaved config.

    Raise ValidationError if the body is invalid.
    """
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
    """How often a check is made, and why.

    `config` is the name of the config that decided, and `config_id` is its id. Both are null if no config
    decided. If the draft of a new config decided, `config_id` is null, because the draft has no id yet.
    """

    config_id = serializers.IntegerField(source="config.pk", default=None, allow_null=True)
    config = serializers.CharField(source="config.name", default=None, allow_null=True)
    interval_seconds = serializers.SerializerMethodField(help_text="null if the check is not made")
    reason = serializers.CharField()

    def get_interval_seconds(self, decision: Decision) -> int | None:
        return int(decision.interval.total_seconds()) if decision.interval else None


class ChangeSerializer(serializers.Serializer[Change]):
    """The decisions about one check: without the draft (`before`) and with it (`after`)."""

    task_type = serializers.CharField(source="check_type")
    before = DecisionSerializer()
    after = DecisionSerializer()


class MoveSerializer(serializers.Serializer[Any]):
    """A group of cards for which the draft would change a check's interval, or which config decides it."""

    cards = serializers.IntegerField()
    task_type = serializers.CharField(source="change.check_type")
    before = DecisionSerializer(source="change.before")
    after = DecisionSerializer(source="change.after")


class DemandSerializer(serializers.Serializer[Demand]):
    """The load that one check causes at one gateway.

    `calls_per_second` assumes that every call asks about a full batch of cards. It is null if no gateway is
    called.
    """

    cards = serializers.IntegerField()
    checks_per_second = serializers.FloatField()
    calls_per_second = serializers.FloatField(allow_null=True)
    is_too_much = serializers.BooleanField(
        help_text="whether these calls exceed the rate that the gateway allows"
    )


class LoadSerializer(serializers.Serializer[Load]):
    """The load of one check at one gateway: without the draft (`before`) and with it (`after`)."""

    task_type = serializers.CharField(source="before.check_type")
    gateway_id = serializers.IntegerField(source="before.gateway.pk", default=None, allow_null=True)
    gateway = serializers.CharField(source="before.gateway.name", default=None, allow_null=True)
    before = DemandSerializer()
    after = DemandSerializer()


class SampleSerializer(serializers.Serializer[Any]):
    """An example of a card whose checks the draft would change.

    If the draft would change no card, the examples are cards that the draft matches.
    """

    card_id = serializers.IntegerField()
    iccid = serializers.CharField()
    checks = ChangeSerializer(source="changes", many=True)


class DryRunSerializer(serializers.Serializer[Any]):
    """What would change if the draft were saved."""

    matched_cards = serializers.IntegerField()
    moves = MoveSerializer(
        many=True, help_text="groups of cards whose config or interval would change, largest group first"
    )
    loads = LoadSerializer(many=True)
    samples = SampleSerializer(many=True, help_text="at most ten cards")
