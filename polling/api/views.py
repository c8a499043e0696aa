"""The statistics of polling. Only those who see the whole system may read them."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import MaySeeSystem
from common.redis.client import for_web
from polling import monitoring
from polling.api.serializers import (
    LimitStateSerializer,
    QueueStateSerializer,
    TaskStateSerializer,
    WindowSerializer,
)


class QueuesView(APIView):
    """Per check type: how many cards are scheduled, due and in flight."""

    permission_classes = (MaySeeSystem,)

    def get(self, request: Request) -> Response:
        """The queues."""
        return Response(QueueStateSerializer(monitoring.queues(for_web()), many=True).data)


class TasksView(APIView):
    """Per check type: what was done over `?window=` seconds."""

    permission_classes = (MaySeeSystem,)

    def get(self, request: Request) -> Response:
        """Counts, rates and percentiles."""
        states = monitoring.tasks(for_web(), window_seconds=_window(request))
        return Response(TaskStateSerializer(states, many=True).data)


class OverviewView(APIView):
    """Queues, limits and what was done, in one answer."""

    permission_classes = (MaySeeSystem,)

    def get(self, request: Request) -> Response:
        """The overview."""
        redis = for_web()
        states = monitoring.tasks(redis, window_seconds=_window(request))
        return Response(
            {
                "queues": QueueStateSerializer(monitoring.queues(redis), many=True).data,
                "concurrency": LimitStateSerializer(monitoring.limits(redis), many=True).data,
                "tasks": TaskStateSerializer(states, many=True).data,
            }
        )


def _window(request: Request) -> int:
    query = WindowSerializer(data=request.query_params)
    query.is_valid(raise_exception=True)
    return int(query.validated_data["window"])
