"""`/check-failures`: which cards fail, since when and why."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import MayRead
from cards.models import CheckState, CheckType
from carriers.models import Gateway
from common.api.pagination import CursorPages
from polling.drain.directory import Directory


class FailuresQuerySerializer(serializers.Serializer[Any]):
    """The query of the list."""

    task_type = serializers.ChoiceField(choices=CheckType.choices, required=False)


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
        directory: Directory = self.context["directory"]
        return directory.gateway_of(state.card.gateway_id, state.card.carrier_id)


class FailurePages(CursorPages):
    """Those that have failed for longest first."""

    ordering: ClassVar[tuple[str, ...]] = ("failing_since", "id")


class CheckFailuresView(APIView):
    """The checks that fail, of the cards that the caller may see; `?task_type=` narrows it."""

    permission_classes = (MayRead,)

    def get(self, request: Request) -> Response:
        """A page of them."""
        query = FailuresQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        failing = CheckState.objects.visible_to(request.user).failing().select_related("card")
        if task_type := query.validated_data.get("task_type"):
            failing = failing.filter(type=task_type)
        pages = FailurePages()
        rows = pages.paginate_queryset(failing, request)
        shown = CheckFailureSerializer(rows, many=True, context={"directory": Directory.read()})
        return pages.get_paginated_response(shown.data)
