"""The `/check-failures` endpoint: list the failing checks, with the start and the error of each."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MayReadOwn
from cards.models import CheckState, CheckType
from carriers.models import Gateway
from common.api.fields import ChoiceField
from common.api.pagination import CursorPages
from common.api.query_params import ValidatedQueryView
from common.api.strict_serializers import Parameters
from polling.policy.config_snapshot import ConfigSnapshot


class FailureParameters(Parameters):
    """Filters of the list of failures."""

    task_type = ChoiceField(choices=CheckType.choices, source="type", required=False)


class CheckFailureSerializer(serializers.Serializer[Any]):
    """A check that is failing for one card."""

    card_id = serializers.IntegerField()
    iccid = serializers.CharField(source="card.iccid")
    task_type = serializers.CharField(source="type")
    failing_since = serializers.DateTimeField()
    failures = serializers.IntegerField(help_text="number of failed checks in a row")
    error = serializers.CharField(help_text="error message of the last failed check")
    last_good_at = serializers.DateTimeField(source="checked_at", allow_null=True)
    gateway_id = serializers.SerializerMethodField(allow_null=True)
    gateway = serializers.SerializerMethodField(allow_null=True)

    def get_gateway_id(self, state: CheckState) -> int | None:
        gateway = self._gateway(state)
        return gateway.pk if gateway else None

    def get_gateway(self, state: CheckState) -> str | None:
        gateway = self._gateway(state)
        return gateway.name if gateway else None

    def _gateway(self, state: CheckState) -> Gateway | None:
        snapshot: ConfigSnapshot = self.context["snapshot"]
        return snapshot.gateway_of(state.card.gateway_id, state.card.carrier_id)


class FailurePages(CursorPages):
    """Cursor pages of failures. The check that has failed for the longest time comes first."""

    ordering: ClassVar[tuple[str, ...]] = ("failing_since", "id")


class CheckFailuresView(ValidatedQueryView, GenericAPIView[CheckState]):
    """The list of failing checks, limited to the cards that the caller may see."""

    permission_classes = (MayReadOwn,)
    serializer_class = CheckFailureSerializer
    pagination_class = FailurePages
    parameters = FailureParameters

    def get_queryset(self) -> QuerySet[CheckState]:
        return CheckState.objects.visible_to(self.request.user).failing().select_related("card")

    def foreign_parameters(self) -> frozenset[str]:
        return super().foreign_parameters() | FailurePages.parameter_names()

    @extend_schema(responses=CheckFailureSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the failing checks. The check that has failed for the longest time comes first."""
        rows = self.paginate_queryset(self.get_queryset().filter(**self.query))
        serializer = CheckFailureSerializer(rows, many=True, context={"snapshot": ConfigSnapshot.read()})
        return self.get_paginated_response(serializer.data)
