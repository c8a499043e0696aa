"""`/metrics`: for Prometheus, with an API token of somebody who sees the whole system."""

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
    """Prometheus' text format; errors as they are."""

    media_type = "text/plain"
    format = "txt"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The bytes that the view gave."""
        return data


class MetricsView(APIView):
    """Everything that the apps' collectors tell."""

    permission_classes = (MaySeeSystem,)
    renderer_classes = (TextRenderer,)

    def get(self, request: Request) -> Response:
        """The exposition."""
        return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
