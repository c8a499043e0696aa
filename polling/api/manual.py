"""The `/polling-manual-trigger` endpoints: trigger checks of cards, follow the triggers, and cancel them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MayAct
from accounts.models import User
from cards.models import CheckType
from common.api.idempotency import idempotent
from common.api.pages import NumberedPages
from common.api.query_params import ValidatedQueryView
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
from polling.triggers.choosing import CardSelection, Condition

MAX_COUNTED = 10_001


class TriggerView(ValidatedQueryView, ABC):
    """Base class of the views that trigger checks.

    Triggers are accepted even while Redis is down. Their cards are then checked once Redis is back.
    """

    permission_classes = (MayAct,)
    body_serializer: type[Any]

    @abstractmethod
    def selection(self, values: Mapping[str, Any]) -> CardSelection:
        """Return the selection of cards that the validated request body describes."""

    @idempotent
    def post(self, request: Request) -> Response:
        """Have the selected cards checked as soon as possible."""
        body = self.body_serializer(data=request.data)
        body.is_valid(raise_exception=True)
        values = dict(body.validated_data)
        check_type = CheckType(values.pop("task_type"))
        row = triggering.trigger(
            cast(User, request.user), check_type, self.selection(values), now=timezone.now()
        )
        return Response(AcceptedSerializer(row).data, status=202)


@extend_schema(request=SingleSerializer, responses={202: AcceptedSerializer})
class SingleView(TriggerView):
    """The trigger of one card. The card goes to the front of the queue, before the cards of all batches."""

    body_serializer = SingleSerializer

    def selection(self, values: Mapping[str, Any]) -> CardSelection:
        return CardSelection(ManualTrigger.Kind.SINGLE, card_ids=[values["card_id"]])


@extend_schema(request=BatchSerializer, responses={202: AcceptedSerializer})
class BatchView(TriggerView):
    """The trigger of up to a thousand cards, given by their ids."""

    body_serializer = BatchSerializer

    def selection(self, values: Mapping[str, Any]) -> CardSelection:
        return CardSelection(ManualTrigger.Kind.BATCH, card_ids=values["card_ids"])


@extend_schema(request=ConditionSerializer, responses={202: AcceptedSerializer})
class ByConditionView(TriggerView):
    """The trigger of up to a thousand cards that meet a condition."""

    body_serializer = ConditionSerializer

    def selection(self, values: Mapping[str, Any]) -> CardSelection:
        return CardSelection(ManualTrigger.Kind.BY_CONDITION, condition=Condition(**values))


class StatusView(ValidatedQueryView):
    """One trigger with its cards."""

    permission_classes = (MayAct,)
    parameters = StatusParameters

    @extend_schema(responses=TriggerStatusSerializer, parameters=[StatusParameters])
    def get(self, request: Request) -> Response:
        """Return the progress of a trigger, and the result of the check for each of its cards."""
        row = trigger_of(request, self.query["trigger_id"])
        return Response(TriggerStatusSerializer(row, context={"request": request}).data)


class CancelView(ValidatedQueryView):
    """The cancellation of a trigger."""

    permission_classes = (MayAct,)

    @extend_schema(request=TriggerKeySerializer, responses=CancelledSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        """Cancel the trigger's checks that have no result yet, and return how many were cancelled."""
        body = TriggerKeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        row = trigger_of(request, body.validated_data["trigger_id"])
        cancelled = triggering.cancel(cast(User, request.user), row, now=timezone.now())
        return Response(CancelledSerializer({"trigger_id": row.pk, "cancelled": cancelled}).data)


class HistoryPages(NumberedPages):
    """Numbered pages that count at most 10,001 rows, because counting a long history exactly is slow."""

    def count_of(self, queryset: Any) -> int:
        """Return the number of rows, up to 10,001. The result 10,001 means "10,001 or more"."""
        return int(queryset.order_by()[:MAX_COUNTED].count())


class HistoryView(ValidatedQueryView, GenericAPIView[ManualTrigger]):
    """The history of manual triggers."""

    permission_classes = (MayAct,)
    parameters = HistoryParameters
    serializer_class = ManualTriggerSerializer
    pagination_class = HistoryPages

    def get_queryset(self) -> ManualTriggerQuerySet:
        return ManualTrigger.objects.visible_to(self.request.user)

    def foreign_parameters(self) -> frozenset[str]:
        return super().foreign_parameters() | HistoryPages.parameter_names()

    @extend_schema(
        operation_id="polling_manual_trigger_history",
        responses=ManualTriggerSerializer(many=True),
        parameters=[HistoryParameters],
    )
    def get(self, request: Request) -> Response:
        """List the triggers that the caller may see, newest first."""
        rows = self.get_queryset().filter(**self.query)
        page = self.paginate_queryset(rows.select_related("requester").order_by("-created_at", "-id"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def trigger_of(request: Request, trigger_id: int) -> ManualTrigger:
    """Return the trigger with this id, with its requester loaded.

    Raise DomainError (404) if the trigger does not exist, or if the caller may not see it.
    """
    rows = ManualTrigger.objects.visible_to(request.user).select_related("requester")
    row = rows.filter(pk=trigger_id).first()
    if row is None:
        raise DomainError("There is no such trigger.", code="manual_trigger_not_found", status=404)
    return row
