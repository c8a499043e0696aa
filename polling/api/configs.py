"""The `/polling-configs` endpoints: edit the configs, and show what a draft of a config would change."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MayOperate
from accounts.api.scoped import ManagedViewSet
from common.api.strict_serializers import Parameters
from polling.api.config_fields import PollingConfigSerializer
from polling.api.drafts import DraftSerializer, DryRunSerializer, draft_of
from polling.api.wire import StatusField
from polling.models import PollingConfig
from polling.policy.dry_run import dry_run


class PollingConfigParameters(Parameters):
    """Filters of the list of configs."""

    status = StatusField(source="is_enabled", required=False)
    carrier_id = serializers.IntegerField(required=False)


class PollingConfigViewSet(ManagedViewSet[PollingConfig]):
    """Polling configs, in order of priority. They say how often each kind of card is checked.

    When a config changes, a background task begins to reschedule the affected cards within seconds.
    """

    subject = "polling_config"
    model = PollingConfig
    permission_classes = (MayOperate,)
    serializer_class = PollingConfigSerializer
    parameters = PollingConfigParameters

    @extend_schema(request=DraftSerializer, responses=DryRunSerializer)
    @action(detail=False, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request) -> Response:
        """Return the effect of a draft config: the cards it matches, how their checks change, and the load.

        Nothing is saved.
        """
        draft = draft_of(request.data, self.get_serializer_context())
        return Response(DryRunSerializer(dry_run(draft)).data)
