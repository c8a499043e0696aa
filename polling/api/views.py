"""The statistics of polling. Only those who see the whole system may read them."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MaySeeSystem
from common.api.query_params import AskedView
from common.redis.client import for_web
from polling.api.serializers import (
    InitProgressSerializer,
    OverviewSerializer,
    QueueStateSerializer,
    TaskStateSerializer,
    WindowParameters,
)
from polling.observe import monitoring


class QueuesView(AskedView):
    """Per check type: how many cards are scheduled, due and in flight."""

    permission_classes = (MaySeeSystem,)

    @extend_schema(responses=QueueStateSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The queues."""
        return Response(QueueStateSerializer(monitoring.queues(for_web()), many=True).data)


class TasksView(AskedView):
    """Per check type: what was done over `?window=` seconds."""

    permission_classes = (MaySeeSystem,)
    parameters = WindowParameters

    @extend_schema(responses=TaskStateSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Counts, rates and percentiles."""
        states = monitoring.tasks(for_web(), window_seconds=self.asked["window"])
        return Response(TaskStateSerializer(states, many=True).data)


class InitProgressView(AskedView):
    """How far the walk that plans all cards has come."""

    permission_classes = (MaySeeSystem,)

    @extend_schema(responses=InitProgressSerializer)
    def get(self, request: Request) -> Response:
        """The progress."""
        return Response(InitProgressSerializer(monitoring.init_progress(for_web())).data)


class OverviewView(AskedView):
    """Queues, limits, what was done, how late it is and how far the planning has come, in one answer."""

    permission_classes = (MaySeeSystem,)
    parameters = WindowParameters

    @extend_schema(responses=OverviewSerializer)
    def get(self, request: Request) -> Response:
        """The overview."""
        redis = for_web()
        found = {
            "queues": monitoring.queues(redis),
            "concurrency": monitoring.limits(redis),
            "tasks": monitoring.tasks(redis, window_seconds=self.asked["window"]),
            "lateness": monitoring.lateness(redis),
            "init_progress": monitoring.init_progress(redis),
            "last_claim_age_seconds": monitoring.last_claim_age(redis),
        }
        return Response(OverviewSerializer(found).data)
