"""`/metrics` for Prometheus. It requires the credentials of a user who may see the system."""

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
    """A renderer that returns text unchanged, because the metrics are already in Prometheus' text format."""

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
    """A view that returns the metrics of every collector that the apps have registered."""

    permission_classes = (MaySeeSystem,)
    renderer_classes = (TextRenderer,)

    def get(self, request: Request) -> Response:
        return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
