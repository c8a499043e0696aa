"""The fields of the statistics in the API."""

from typing import Any

from rest_framework import serializers

from common.api.strict_serializers import Parameters
from polling.observe.history import Point
from polling.observe.monitoring import TaskState

MAX_WINDOW_SECONDS = 3600


class QueueStateSerializer(serializers.Serializer[Any]):
    """The number of cards in each state, for one check type."""

    task_type = serializers.CharField()
    queue_length = serializers.IntegerField(help_text="number of scheduled cards, due or not")
    due = serializers.IntegerField()
    manual = serializers.IntegerField(
        help_text="number of manually triggered cards that wait for their check"
    )
    in_flight = serializers.IntegerField()
    parked = serializers.IntegerField()
    oldest_due_seconds = serializers.FloatField()


class HolderSerializer(serializers.Serializer[Any]):
    """A process that holds slots."""

    holder = serializers.CharField(help_text="name of the process: host:pid:start-place")
    seats = serializers.IntegerField(source="slots", help_text="number of slots that the process holds")


class LimitStateSerializer(serializers.Serializer[Any]):
    """The concurrency limit of one task type as it is stored in Redis, and the slots that are taken.

    A null `max_concurrency` means that the limit is missing in Redis, so no call may begin.
    """

    task_type = serializers.CharField()
    max_concurrency = serializers.IntegerField(allow_null=True)
    current = serializers.IntegerField()
    usage_percent = serializers.FloatField(allow_null=True)
    holders = HolderSerializer(many=True)


class CountedSerializer(serializers.Serializer[Any]):
    """The results of the checks of one type, as counted."""

    task_type = serializers.CharField()
    success = serializers.IntegerField(source="counted.success")
    failed = serializers.IntegerField(source="counted.failed")
    success_rate = serializers.FloatField(source="counted.success_rate", allow_null=True)
    avg_duration_ms = serializers.FloatField(source="counted.average_ms", allow_null=True)
    p95_ms = serializers.SerializerMethodField()
    checks_per_second = serializers.FloatField()

    def get_p95_ms(self, state: TaskState | Point) -> int | None:
        return state.counted.percentile_ms(0.95)


class TaskStateSerializer(CountedSerializer):
    """The results of the checks of one type over the last `window_seconds`."""

    window_seconds = serializers.IntegerField()
    p50_ms = serializers.SerializerMethodField()
    p99_ms = serializers.SerializerMethodField()

    def get_p50_ms(self, state: TaskState) -> int | None:
        return state.counted.percentile_ms(0.50)

    def get_p99_ms(self, state: TaskState) -> int | None:
        return state.counted.percentile_ms(0.99)


class LatenessStateSerializer(serializers.Serializer[Any]):
    """The lateness of one check type, measured over all cards that want the check.

    The lateness of a card is the age of its last good answer divided by the promised interval, so 1 means
    exactly on time. All values are null before the first measurement, and after the last one has expired.
    """

    task_type = serializers.CharField()
    cards = serializers.IntegerField(source="measured.cards", default=None, allow_null=True)
    never_checked = serializers.IntegerField(source="measured.never", default=None, allow_null=True)
    p50 = serializers.FloatField(source="measured.p50", default=None, allow_null=True)
    p95 = serializers.FloatField(source="measured.p95", default=None, allow_null=True)
    max = serializers.FloatField(source="measured.max", default=None, allow_null=True)


class InitProgressSerializer(serializers.Serializer[Any]):
    """The progress of seeding, the scan that schedules all cards."""

    status = serializers.CharField(help_text="none, running, failed or finished")
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    percent = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()


class WindowParameters(Parameters):
    """The query parameter of the task statistics: the length of the window in seconds.

    The counts cover every minute that overlaps the window.
    """

    window = serializers.IntegerField(default=300, min_value=60, max_value=MAX_WINDOW_SECONDS)


class OverviewSerializer(serializers.Serializer[Any]):
    """All statistics in one response."""

    queues = QueueStateSerializer(many=True)
    concurrency = LimitStateSerializer(many=True)
    tasks = TaskStateSerializer(many=True)
    lateness = LatenessStateSerializer(many=True)
    init_progress = InitProgressSerializer()
    last_claim_age_seconds = serializers.FloatField(
        allow_null=True, help_text="null if no card has been claimed yet"
    )
