"""The endpoint `/api-tokens`, for administrators only. The text of a token is shown once."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tokens
from accounts.api.permissions import MayAdminister
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import ListViewSet, RetrieveViewSet
from accounts.models import ApiToken, User
from audit.models import Action
from audit.recording import record
from audit.snapshots import snapshot
from common.api.fields import KeyField
from common.api.idempotency import idempotent
from common.api.strict_serializers import Parameters, StrictModelSerializer


class ApiTokenSerializer(StrictModelSerializer[ApiToken]):
    """An API token, without its text."""

    user_id = VisibleKey(User, source="user")
    user = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = ApiToken
        fields = (
            "id",
            "user_id",
            "user",
            "name",
            "prefix",
            "scope",
            "expires_at",
            "last_used_at",
            "revoked_at",
        )
        read_only_fields = ("prefix", "last_used_at", "revoked_at")

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= timezone.now():
            raise ValidationError(ErrorDetail("This time is in the past.", code="invalid"))
        return moment


class NewApiTokenSerializer(ApiTokenSerializer):
    """A new token with its text, which cannot be shown again.

    If the request is repeated with the same `Idempotency-Key`, the answer leaves the text out.
    """

    token = serializers.CharField(required=False)

    class Meta:
        model = ApiToken
        fields = (*ApiTokenSerializer.Meta.fields, "token")


class ApiTokenParameters(Parameters):
    """Filters for the list of tokens."""

    user_id = KeyField(required=False)


class ApiTokenViewSet(ListViewSet[ApiToken], RetrieveViewSet[ApiToken]):
    """Tokens, newest first. A token is revoked, not deleted, so that its owner remains known."""

    subject = "api_token"
    model = ApiToken
    permission_classes = (MayAdminister,)
    serializer_class = ApiTokenSerializer
    parameters = ApiTokenParameters
    shown_once = ("token",)

    def get_queryset(self) -> QuerySet[ApiToken]:
        return super().get_queryset().select_related("user").order_by("-id")

    @extend_schema(responses={201: NewApiTokenSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Create a token. Only this answer contains its text."""
        sent = self.get_serializer(data=request.data)
        sent.is_valid(raise_exception=True)
        fields: dict[str, Any] = sent.validated_data
        token, text = tokens.issue(
            fields["user"],
            name=fields["name"],
            scope=ApiToken.Scope(fields.get("scope", ApiToken.Scope.READ)),
            expires_at=fields.get("expires_at"),
        )
        record(request.user, Action.CREATED, token, after=snapshot(token))
        return Response({**self.get_serializer(token).data, "token": text}, status=201)

    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke the token permanently."""
        with transaction.atomic():
            token = self.locked_object()
            before = snapshot(token)
            if tokens.revoke(token, now=timezone.now()):
                record(request.user, Action.REVOKED, token, before=before, after=snapshot(token))
        return Response(status=204)
