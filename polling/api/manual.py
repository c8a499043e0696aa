"""`/polling-manual-trigger`: checks that somebody wants at once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MayAct
from accounts.api.throttling import OpenRequestRate
from accounts.models import User
from cards.models import CheckType
from common.api.idempotency import idempotent
from common.api.pages import NumberedPages
from common.api.query_params import AskedView
from common.errors import DomainError
from polling.api.manual_fields import (
    AcceptedSerializer,
    BatchSerializer,
    CancelledSerializer,
    ConditionSerializer,
    HistoryParameters,
    ManualTriggerSerializer,
    SingleSerializer,
    StatusParameters,
    TriggerKeySerializer,
    TriggerStatusSerializer,
)
from polling.models import ManualTrigger
from polling.models.trigger import ManualTriggerQuerySet
from polling.triggers import triggering
from polling.triggers.choosing import Condition, Wanted

MAX_COUNTED = 10_001


class TriggerView(AskedView, ABC):
    """Asks for checks. The rows are kept without Redis, too, and the checks made when it is back."""

    permission_classes = (MayAct,)
    throttle_classes = (OpenRequestRate,)
    body: type[Any]

    @abstractmethod
    def wanted(self, given: Mapping[str, Any]) -> Wanted:
        """Which cards."""

    @idempotent
    def post(self, request: Request) -> Response:
        """Have cards checked at once."""
        given = self.body(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        check_type = CheckType(values.pop("task_type"))
        row = triggering.trigger(
            cast(User, request.user), check_type, self.wanted(values), now=timezone.now()
        )
        return Response(AcceptedSerializer(row).data, status=202)


@extend_schema(request=SingleSerializer, responses={202: AcceptedSerializer})
class SingleView(TriggerView):
    """One card, before all batches."""

    body = SingleSerializer

    def wanted(self, given: Mapping[str, Any]) -> Wanted:
        """See the base class."""
        return Wanted(ManualTrigger.Kind.SINGLE, card_ids=[given["card_id"]])


@extend_schema(request=BatchSerializer, responses={202: AcceptedSerializer})
class BatchView(TriggerView):
    """Up to a thousand cards."""

    body = BatchSerializer

    def wanted(self, given: Mapping[str, Any]) -> Wanted:
        """See the base class."""
        return Wanted(ManualTrigger.Kind.BATCH, card_ids=given["card_ids"])


@extend_schema(request=ConditionSerializer, responses={202: AcceptedSerializer})
class ByConditionView(TriggerView):
    """Up to a thousand cards that meet a condition."""

    body = ConditionSerializer

    def wanted(self, given: Mapping[str, Any]) -> Wanted:
        """See the base class."""
        return Wanted(ManualTrigger.Kind.BY_CONDITION, condition=Condition(**given))


class StatusView(AskedView):
    """One trigger with its cards."""

    permission_classes = (MayAct,)
    parameters = StatusParameters

    @extend_schema(responses=TriggerStatusSerializer, parameters=[StatusParameters])
    def get(self, request: Request) -> Response:
        """How far it is, and what came of each card."""
        row = trigger_of(request, self.asked["trigger_id"])
        return Response(TriggerStatusSerializer(row, context={"request": request}).data)


class CancelView(AskedView):
    """Ends a trigger early."""

    permission_classes = (MayAct,)
    throttle_classes = (OpenRequestRate,)

    @extend_schema(request=TriggerKeySerializer, responses=CancelledSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        """Have the cards that still wait not checked."""
        given = TriggerKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row = trigger_of(request, given.validated_data["trigger_id"])
        cancelled = triggering.cancel(cast(User, request.user), row, now=timezone.now())
        return Response(CancelledSerializer({"trigger_id": row.pk, "cancelled": cancelled}).data)


class HistoryPages(NumberedPages):
    """Of a long history the first ten thousand are counted."""

    def count_of(self, queryset: Any) -> int:
        """10,001 is "more"."""
        return int(queryset.order_by()[:MAX_COUNTED].count())


class HistoryView(AskedView, GenericAPIView[ManualTrigger]):
    """Triggers, the newest first."""

    permission_classes = (MayAct,)
    parameters = HistoryParameters
    serializer_class = ManualTriggerSerializer
    pagination_class = HistoryPages

    def get_queryset(self) -> ManualTriggerQuerySet:
        """Those that the caller may see."""
        return ManualTrigger.objects.visible_to(self.request.user)

    def known_elsewhere(self) -> frozenset[str]:
        """A list has pages."""
        return super().known_elsewhere() | HistoryPages.names()

    @extend_schema(
        operation_id="polling_manual_trigger_history",
        responses=ManualTriggerSerializer(many=True),
        parameters=[HistoryParameters],
    )
    def get(self, request: Request) -> Response:
        """A page of those that the caller may see."""
        rows = self.get_queryset().filter(**self.asked)
        page = self.paginate_queryset(rows.select_related("requester").order_by("-created_at", "-id"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def trigger_of(request: Request, trigger_id: int) -> ManualTrigger:
    """The trigger, if the caller may see it. Raises DomainError."""
    rows = ManualTrigger.objects.visible_to(request.user).select_related("requester")
    row = rows.filter(pk=trigger_id).first()
    if row is None:
        raise DomainError("There is no such trigger.", code="manual_trigger_not_found", status=404)
    return row
