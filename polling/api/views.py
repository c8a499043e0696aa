"""The `/polling-stats` endpoints: statistics of polling, for users who may see the entire system."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MaySeeSystem
from common.api.query_params import ValidatedQueryView
from common.redis.client import for_web
from polling.api.serializers import (
    InitProgressSerializer,
    OverviewSerializer,
    QueueStateSerializer,
    TaskStateSerializer,
    WindowParameters,
)
from polling.observe import monitoring


class QueuesView(ValidatedQueryView):
    """The number of cards that are scheduled, due, in flight and parked, for each check type."""

    permission_classes = (MaySeeSystem,)

    @extend_schema(responses=QueueStateSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the number of cards in each state, for each check type."""
        return Response(QueueStateSerializer(monitoring.queues(for_web()), many=True).data)


class TasksView(ValidatedQueryView):
    """The results of each check type over the last `?window=` seconds."""

    permission_classes = (MaySeeSystem,)
    parameters = WindowParameters

    @extend_schema(responses=TaskStateSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the counts, success rate, duration percentiles and throughput of each check type."""
        states = monitoring.tasks(for_web(), window_seconds=self.query["window"])
        return Response(TaskStateSerializer(states, many=True).data)


class InitProgressView(ValidatedQueryView):
    """The progress of seeding, the scan that schedules all cards."""

    permission_classes = (MaySeeSystem,)

    @extend_schema(responses=InitProgressSerializer)
    def get(self, request: Request) -> Response:
        """Return the progress of the running scan, or of the last scan if none is running."""
        return Response(InitProgressSerializer(monitoring.init_progress(for_web())).data)


class OverviewView(ValidatedQueryView):
    """Queues, limits, results, lateness and the progress of seeding in one response."""

    permission_classes = (MaySeeSystem,)
    parameters = WindowParameters

    @extend_schema(responses=OverviewSerializer)
    def get(self, request: Request) -> Response:
        """Return all statistics of polling."""
        redis = for_web()
        overview = {
            "queues": monitoring.queues(redis),
            "concurrency": monitoring.limits(redis),
            "tasks": monitoring.tasks(redis, window_seconds=self.query["window"]),
            "lateness": monitoring.lateness(redis),
            "init_progress": monitoring.init_progress(redis),
            "last_claim_age_seconds": monitoring.last_claim_age(redis),
        }
        return Response(OverviewSerializer(overview).data)
