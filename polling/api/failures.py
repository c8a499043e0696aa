"""`/check-failures`: which cards fail, since when and why."""

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
from common.api.pagination import CursorPages
from common.api.query_params import AskedView
from common.api.strict_serializers import Parameters
from polling.policy.config_snapshot import ConfigSnapshot


class FailureParameters(Parameters):
    """Filters of the list."""

    task_type = serializers.ChoiceField(choices=CheckType.choices, source="type", required=False)


class CheckFailureSerializer(serializers.Serializer[Any]):
    """One check of one card that fails."""

    card_id = serializers.IntegerField()
    iccid = serializers.CharField(source="card.iccid")
    task_type = serializers.CharField(source="type")
    failing_since = serializers.DateTimeField()
    failures = serializers.IntegerField(help_text="in a row")
    error = serializers.CharField(help_text="the last one, in words")
    last_good_at = serializers.DateTimeField(source="checked_at", allow_null=True)
    gateway_id = serializers.SerializerMethodField(allow_null=True)
    gateway = serializers.SerializerMethodField(allow_null=True)

    def get_gateway_id(self, state: CheckState) -> int | None:
        """The gateway that is asked about the card."""
        gateway = self._gateway(state)
        return gateway.pk if gateway else None

    def get_gateway(self, state: CheckState) -> str | None:
        """Its name."""
        gateway = self._gateway(state)
        return gateway.name if gateway else None

    def _gateway(self, state: CheckState) -> Gateway | None:
        snapshot: ConfigSnapshot = self.context["directory"]
        return snapshot.gateway_of(state.card.gateway_id, state.card.carrier_id)


class FailurePages(CursorPages):
    """Those that have failed for longest first."""

    ordering: ClassVar[tuple[str, ...]] = ("failing_since", "id")


class CheckFailuresView(AskedView, GenericAPIView[CheckState]):
    """The checks that fail, of the cards that the caller may see."""

    permission_classes = (MayReadOwn,)
    serializer_class = CheckFailureSerializer
    pagination_class = FailurePages
    parameters = FailureParameters

    def get_queryset(self) -> QuerySet[CheckState]:
        """Of the cards that the caller may see."""
        return CheckState.objects.visible_to(self.request.user).failing().select_related("card")

    def known_elsewhere(self) -> frozenset[str]:
        """It has pages."""
        return super().known_elsewhere() | FailurePages.names()

    @extend_schema(responses=CheckFailureSerializer(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, those that have failed for longest first."""
        rows = self.paginate_queryset(self.get_queryset().filter(**self.asked))
        shown = CheckFailureSerializer(rows, many=True, context={"directory": ConfigSnapshot.read()})
        return self.get_paginated_response(shown.data)
