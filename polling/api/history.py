"""The `/polling-stats/history` endpoint: the kept statistics of checks, for charts."""

from datetime import datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MaySeeSystem
from common import database
from common.api.fields import ChoiceField, KeyField, TimeField
from common.api.query_params import ValidatedQueryView
from common.api.strict_serializers import Parameters
from polling.api.serializers import CountedSerializer
from polling.models import TaskType
from polling.observe import history

MINUTE_SECONDS = 60
MAX_STEP_SECONDS = 7 * 24 * 3600
MAX_STEPS = 1000
DEFAULT_LENGTH = timedelta(hours=1)


class HistoryParameters(Parameters):
    """The query parameters of the history: a span of time, the length of a step, and filters."""

    step = serializers.IntegerField(
        default=MINUTE_SECONDS,
        min_value=MINUTE_SECONDS,
        max_value=MAX_STEP_SECONDS,
        help_text="seconds, a multiple of 60",
    )
    task_type = ChoiceField(choices=TaskType.choices, required=False)
    gateway_id = KeyField(required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword of Python, so it cannot be the name of an attribute.
        begin = TimeField(required=False, help_text="default: an hour before `to`; seconds are ignored")
        end = TimeField(required=False, help_text="default: now; seconds are ignored")
        return {"from": begin, "to": end, **super().get_fields()}

    def validate_step(self, value: int) -> int:
        if value % MINUTE_SECONDS:
            raise ValidationError(ErrorDetail("Choose a multiple of 60 seconds.", code="invalid"))
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        end = _whole_minute(attrs.get("to") or database.now())
        try:
            begin = _whole_minute(attrs.get("from") or end - DEFAULT_LENGTH)
        except OverflowError:
            raise ValidationError({"to": ErrorDetail("It is too early.", code="invalid")}) from None
        if begin >= end:
            text = "It must be in an earlier minute than `to`."
            raise ValidationError({"from": ErrorDetail(text, code="invalid")})
        if (end - begin) / timedelta(seconds=attrs["step"]) > MAX_STEPS:
            text = f"The span has more than {MAX_STEPS} steps; choose longer steps or a shorter span."
            raise ValidationError({"step": ErrorDetail(text, code="too_many_steps")})
        return {**attrs, "from": begin, "to": end}


class PointSerializer(CountedSerializer):
    """The checks of one type in one step. Gauges are the highest values in it; null for a single gateway."""

    at = serializers.DateTimeField(help_text="beginning of the step")
    due = serializers.IntegerField(allow_null=True)
    in_flight = serializers.IntegerField(allow_null=True)
    seats = serializers.IntegerField(source="slots", allow_null=True, help_text="number of slots taken")
    delay_p99_seconds = serializers.IntegerField(allow_null=True)


class HistoryView(ValidatedQueryView):
    """The kept statistics of checks, one point for each step and task type."""

    permission_classes = (MaySeeSystem,)
    parameters = HistoryParameters

    @extend_schema(responses=PointSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the points of a span of time. Steps in which nothing was checked are left out."""
        query = self.query
        points = history.read(
            query["from"],
            query["to"],
            step=timedelta(seconds=query["step"]),
            task_type=query.get("task_type"),
            gateway_id=query.get("gateway_id"),
        )
        return Response(PointSerializer(points, many=True).data)


def _whole_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
