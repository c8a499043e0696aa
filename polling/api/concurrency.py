"""The `/polling-concurrency` endpoints: show and change how many calls of each task type may run at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MayOperate
from audit.models import Action
from audit.recording import record
from audit.snapshots import snapshot
from common.api.etags import require_match, row_tag
from common.api.fields import ChoiceField
from common.api.query_params import ValidatedQueryView
from common.api.strict_serializers import StrictSerializer
from common.errors import DomainError
from common.redis.client import for_web
from polling.api.serializers import HolderSerializer
from polling.models import ConcurrencyLimit, TaskType
from polling.observe import monitoring
from polling.observe.monitoring import LimitState
from polling.schedule import limits

MAX_LIMIT = 2_147_483_647
TYPE_IN_PATH = OpenApiParameter("task_type", enum=TaskType.values, location=OpenApiParameter.PATH)


@dataclass(frozen=True)
class Concurrency:
    """The limit of one task type as PostgreSQL stores it, and the state of its slots in Redis.

    `state` is None while Redis does not answer.
    """

    task_type: str
    max_concurrency: int
    state: LimitState | None


class ConcurrencySerializer(StrictSerializer):
    """The concurrency limit of one task type. A limit of 0 pauses the type.

    `current`, `usage_percent` and `holders` come from Redis and are null while Redis does not answer.
    """

    task_type = ChoiceField(choices=TaskType.choices, read_only=True)
    max_concurrency = serializers.IntegerField(min_value=0, max_value=MAX_LIMIT)
    current = serializers.IntegerField(
        source="state.current",
        default=None,
        allow_null=True,
        read_only=True,
        help_text="number of slots that are taken",
    )
    usage_percent = serializers.SerializerMethodField(
        help_text="percentage of the slots that are taken; also null if the limit is 0"
    )
    holders = HolderSerializer(
        source="state.holders", many=True, default=None, allow_null=True, read_only=True
    )

    def get_usage_percent(self, concurrency: Concurrency) -> float | None:
        """Return the percentage of slots that are taken; None if the limit is 0 or Redis does not answer."""
        # Use the limit in PostgreSQL, because a changed limit may not have reached Redis yet.
        if concurrency.state is None or not concurrency.max_concurrency:
            return None
        return round(100 * concurrency.state.current / concurrency.max_concurrency, 1)


class TaskTypeSerializer(StrictSerializer):
    """A request to drop the expired slots of one task type."""

    task_type = ChoiceField(choices=TaskType.choices)


class DroppedSerializer(TaskTypeSerializer):
    """The result of a reset: the task type, and how many slots were dropped."""

    dropped = serializers.IntegerField(help_text="number of slots dropped because their lease had expired")


class ConcurrencyListView(ValidatedQueryView):
    """The list of the limits of all task types."""

    permission_classes = (MayOperate,)

    @extend_schema(operation_id="polling_concurrency_list", responses=ConcurrencySerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the limit of each task type and the slots that are taken."""
        rows = dict(
            ConcurrencyLimit.objects.visible_to(request.user).values_list("task_type", "max_concurrency")
        )
        states = monitoring.limits_by_type(for_web())
        limits_shown = [
            Concurrency(task_type, rows.get(task_type, 0), states.get(task_type))
            for task_type in TaskType.values
        ]
        return Response(ConcurrencySerializer(limits_shown, many=True).data)


@extend_schema(parameters=[TYPE_IN_PATH])
class ConcurrencyView(ValidatedQueryView):
    """The limit of one task type."""

    permission_classes = (MayOperate,)
    supports_if_match = True

    @extend_schema(operation_id="polling_concurrency_retrieve", responses=ConcurrencySerializer)
    def get(self, request: Request, task_type: str) -> Response:
        """Return the limit. To change it safely, send its ETag back in `If-Match`."""
        rows = ConcurrencyLimit.objects.visible_to(request.user)
        return _answer(rows.filter(task_type=_known(task_type)).first() or _closed(task_type))

    @extend_schema(request=ConcurrencySerializer, responses=ConcurrencySerializer)
    def put(self, request: Request, task_type: str) -> Response:
        """Change the limit. It applies to calls that begin from now on; running calls are not interrupted."""
        body = ConcurrencySerializer(data=request.data, partial=True)
        _known(task_type)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            rows = ConcurrencyLimit.objects.visible_to(request.user)
            rows.get_or_create(task_type=task_type, defaults={"max_concurrency": 0})
            row = rows.select_for_update(no_key=True).get(task_type=task_type)
            require_match(request, _etag_fields(row))
            before = snapshot(row)
            row.max_concurrency = body.validated_data.get("max_concurrency", row.max_concurrency)
            row.save()
            record(request.user, Action.CHANGED, row, before=before, after=snapshot(row))
            limits.publish_on_commit()
        return _answer(row)


class ConcurrencyResetView(ValidatedQueryView):
    """The reset of a task type's slots. It drops the slots that killed processes left behind."""

    permission_classes = (MayOperate,)

    @extend_schema(request=TaskTypeSerializer, responses=DroppedSerializer)
    def post(self, request: Request) -> Response:
        """Drop the slots whose lease has expired. Slots that are still leased stay taken."""
        body = TaskTypeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        task_type = body.validated_data["task_type"]
        # Write the audit record first. A crash can then lose only the reset, which the user can repeat.
        # In the opposite order, a crash could leave a reset without an audit record.
        with transaction.atomic():
            record(request.user, Action.RESET, ConcurrencyLimit, after={"task_type": task_type})
        dropped = limits.slots_of(for_web(), task_type).drop_expired()
        return Response(DroppedSerializer({"task_type": task_type, "dropped": dropped}).data)


def _known(task_type: str) -> str:
    if task_type not in TaskType.values:
        raise DomainError("There is no such task type.", code="polling_concurrency_not_found", status=404)
    return task_type


def _closed(task_type: str) -> ConcurrencyLimit:
    """Return an unsaved limit of 0 for a task type that has no row."""
    return ConcurrencyLimit(task_type=task_type, max_concurrency=0)


def _etag_fields(row: ConcurrencyLimit) -> Mapping[str, Any]:
    return {"task_type": row.task_type, "max_concurrency": row.max_concurrency}


def _answer(row: ConcurrencyLimit) -> Response:
    concurrency = Concurrency(
        row.task_type, row.max_concurrency, monitoring.limits_by_type(for_web()).get(row.task_type)
    )
    return Response(ConcurrencySerializer(concurrency).data, headers={"ETag": row_tag(_etag_fields(row))})
