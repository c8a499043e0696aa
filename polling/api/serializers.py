"""The fields of the statistics in the API."""

from typing import Any

from rest_framework import serializers

from common.api.strict_serializers import Parameters
from polling.observe.monitoring import TaskState

MAX_WINDOW_SECONDS = 3600


class QueueStateSerializer(serializers.Serializer[Any]):
    """The queue of one check type."""

    task_type = serializers.CharField()
    queue_length = serializers.IntegerField(help_text="scheduled cards, due or not")
    due = serializers.IntegerField()
    manual = serializers.IntegerField(help_text="triggered cards that wait")
    in_flight = serializers.IntegerField()
    parked = serializers.IntegerField()
    oldest_due_seconds = serializers.FloatField()


class HolderSerializer(serializers.Serializer[Any]):
    """A process that holds slots."""

    holder = serializers.CharField(help_text="host:pid:start-place")
    seats = serializers.IntegerField(source="slots", help_text="slots that it holds")


class LimitStateSerializer(serializers.Serializer[Any]):
    """A concurrency limit as Redis has it. `max_concurrency` is null without a limit, which means closed."""

    task_type = serializers.CharField()
    max_concurrency = serializers.IntegerField(allow_null=True)
    current = serializers.IntegerField()
    usage_percent = serializers.FloatField(allow_null=True)
    holders = HolderSerializer(many=True)


class TaskStateSerializer(serializers.Serializer[Any]):
    """What one check type did over a rolling window."""

    task_type = serializers.CharField()
    window_seconds = serializers.IntegerField()
    success = serializers.IntegerField(source="counted.success")
    failed = serializers.IntegerField(source="counted.failed")
    success_rate = serializers.FloatField(source="counted.success_rate", allow_null=True)
    avg_duration_ms = serializers.FloatField(source="counted.average_ms", allow_null=True)
    p50_ms = serializers.SerializerMethodField()
    p95_ms = serializers.SerializerMethodField()
    p99_ms = serializers.SerializerMethodField()
    checks_per_second = serializers.FloatField()

    def get_p50_ms(self, state: TaskState) -> int | None:
        return state.counted.percentile_ms(0.50)

    def get_p95_ms(self, state: TaskState) -> int | None:
        return state.counted.percentile_ms(0.95)

    def get_p99_ms(self, state: TaskState) -> int | None:
        return state.counted.percentile_ms(0.99)


class LatenessStateSerializer(serializers.Serializer[Any]):
    """Lateness of one check type: age of the last good answer / promised interval. 1 is exactly on time."""

    task_type = serializers.CharField()
    cards = serializers.IntegerField(source="measured.cards", default=None, allow_null=True)
    never_checked = serializers.IntegerField(source="measured.never", default=None, allow_null=True)
    p50 = serializers.FloatField(source="measured.p50", default=None, allow_null=True)
    p95 = serializers.FloatField(source="measured.p95", default=None, allow_null=True)
    max = serializers.FloatField(source="measured.max", default=None, allow_null=True)


class InitProgressSerializer(serializers.Serializer[Any]):
    """Progress of the scan that seeds the schedule."""

    status = serializers.CharField(help_text="none, running, failed or finished")
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    percent = serializers.IntegerField()
    started_at = serializers.CharField(allow_null=True)
    finished_at = serializers.CharField(allow_null=True)
    error = serializers.CharField()


class WindowParameters(Parameters):
    """Query parameters of the task statistics. `window` is in seconds, rounded to whole minutes."""

    window = serializers.IntegerField(default=300, min_value=60, max_value=MAX_WINDOW_SECONDS)


class OverviewSerializer(serializers.Serializer[Any]):
    """All statistics in one answer."""

    queues = QueueStateSerializer(many=True)
    concurrency = LimitStateSerializer(many=True)
    tasks = TaskStateSerializer(many=True)
    lateness = LatenessStateSerializer(many=True)
    init_progress = InitProgressSerializer()
    last_claim_age_seconds = serializers.FloatField(allow_null=True, help_text="null: no claim yet")
