"""The endpoint `/gateways`, together with what each gateway does now."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from carriers.api.gateways import GatewaySerializer, GatewayViewSet
from carriers.models import Gateway
from common.api.fields import ChoiceField
from polling.observe import gateway_states
from polling.observe.gateway_states import GatewayStatus, State


class FailureReasonSerializer(serializers.Serializer[Any]):
    """A reason why calls failed, and how many calls failed for it."""

    reason = serializers.CharField()
    calls = serializers.IntegerField()


class GatewayStatusSerializer(serializers.Serializer[Any]):
    """What a gateway does now, or why it is not called."""

    state = ChoiceField(choices=[state.value for state in State])
    words = serializers.CharField(help_text="the state in one sentence")
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True, help_text="end of a pause, or next trial call")
    paused_by = serializers.CharField(help_text="owner of the pause; empty without a pause")
    last_trouble = serializers.CharField(source="trouble", help_text="why calls failed last")
    last_trouble_at = serializers.DateTimeField(source="trouble_at", allow_null=True)
    calls_answered = serializers.IntegerField(source="calls.answered", help_text="since Redis was emptied")
    calls_failed = serializers.IntegerField(source="calls.failed", help_text="since Redis was emptied")
    failures = serializers.SerializerMethodField(
        help_text="the most frequent first; forgotten an hour after the last failure"
    )

    @extend_schema_field(FailureReasonSerializer(many=True))
    def get_failures(self, status: GatewayStatus) -> list[dict[str, Any]]:
        return [{"reason": reason, "calls": calls} for reason, calls in status.calls.failures.items()]


class MonitoredGatewaySerializer(GatewaySerializer):
    """A gateway, with its status."""

    status = serializers.SerializerMethodField()

    class Meta(GatewaySerializer.Meta):
        fields = (*GatewaySerializer.Meta.fields, "status")

    @extend_schema_field(GatewayStatusSerializer)
    def get_status(self, gateway: Gateway) -> Any:
        """Return the status. Those of all gateways in an answer are read at once."""
        return GatewayStatusSerializer(self._statuses[gateway.pk]).data

    @property
    def _statuses(self) -> dict[int, GatewayStatus]:
        # DRF keeps the context for the whole answer.
        context = cast("dict[str, Any]", self.context)
        if "statuses" not in context:
            shown: Any = [self.instance] if self.parent is None else self.parent.instance
            context["statuses"] = gateway_states.read(shown)
        return cast("dict[int, GatewayStatus]", context["statuses"])


class MonitoredGatewayViewSet(GatewayViewSet):
    """Gateways, sorted by carrier and name. A changed limit applies from the next call.

    A gateway that has cards cannot be deleted.
    """

    serializer_class = MonitoredGatewaySerializer
