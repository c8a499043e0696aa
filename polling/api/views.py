"""The statistics of polling. Only those who see the whole system may read them."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import MaySeeSystem
from common.redis.client import for_web
from polling import monitoring
from polling.api.serializers import (
    InitProgressSerializer,
    LatenessStateSerializer,
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


class InitProgressView(APIView):
    """How far the walk that plans all cards has come."""

    permission_classes = (MaySeeSystem,)

    def get(self, request: Request) -> Response:
        """The progress."""
        return Response(InitProgressSerializer(monitoring.init_progress(for_web())).data)


class OverviewView(APIView):
    """Queues, limits, what was done, how late it is and how far the planning has come, in one answer."""

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
                "lateness": LatenessStateSerializer(monitoring.lateness(redis), many=True).data,
                "init_progress": InitProgressSerializer(monitoring.init_progress(redis)).data,
                "last_claim_age_seconds": monitoring.last_claim_age(redis),
            }
        )


def _window(request: Request) -> int:
    query = WindowSerializer(data=request.query_params)
    query.is_valid(raise_exception=True)
    return int(query.validated_data["window"])
