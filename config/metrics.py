"""`/metrics` for Prometheus, with an API token of a user who may see the whole system."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import MaySeeSystem
from common import metrics


class TextRenderer(BaseRenderer):
    """Return Prometheus' text format unchanged."""

    media_type = "text/plain"
    format = "txt"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return data


class MetricsView(APIView):
    """The metrics of all collectors that the apps have registered."""

    permission_classes = (MaySeeSystem,)
    renderer_classes = (TextRenderer,)

    def get(self, request: Request) -> Response:
        return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
