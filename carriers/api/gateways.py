"""`/gateways`: accounts at carriers' endpoints. Credentials are written, never read."""

from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.serializers import BaseSerializer

from accounts.api.permissions import MayOperate
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import Managed
from accounts.roles import Role
from carriers import limits
from carriers.credentials import why_unusable
from carriers.models import Carrier, Gateway
from common.api.fields import KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer


@extend_schema_field({"type": "object", "examples": [{"app_id": "...", "secret": "..."}]})
class CredentialsField(serializers.Field[Any, Any, Any, Any]):
    """A JSON object, as the adapter wants it."""

    def __init__(self, **kwargs: Any) -> None:
        """Never read back."""
        super().__init__(write_only=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """As it is encrypted."""
        if not isinstance(data, dict):
            raise ValidationError(ErrorDetail("Credentials are a JSON object.", code="invalid"))
        written = orjson.dumps(data).decode()
        if "\\u0000" in written:
            raise ValidationError(
                ErrorDetail("Null characters are not allowed.", code="null_characters_not_allowed")
            )
        return written


class GatewaySerializer(StrictModelSerializer[Gateway]):
    """A gateway. Without `credentials` a change leaves them as they are; its carrier is chosen once."""

    carrier_id = VisibleKey(Carrier, source="carrier")
    credentials = CredentialsField()

    class Meta:
        model = Gateway
        fields = (
            "id",
            "carrier_id",
            "name",
            "adapter",
            "base_url",
            "credentials",
            "timeout_seconds",
            "batch_size",
            "max_concurrency",
            "calls_per_second",
            "is_enabled",
            "paused_until",
            "pause_reason",
            "is_default",
        )
        # Ours says it at the field.
        validators = ()

    def validate_credentials(self, value: str) -> str:
        """Secrets are the administrator's: what an operator overwrote, nobody could restore."""
        if self.context["request"].user.role != Role.ADMINISTRATOR:
            raise PermissionDenied(
                "Credentials are for administrators to write.", code="secrets_are_for_administrators"
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What is about several fields."""
        self._refuse_another_carrier(attrs)
        self._refuse_a_second_default(attrs)
        self._refuse_unusable_credentials(attrs)
        return attrs

    def _refuse_another_carrier(self, attrs: dict[str, Any]) -> None:
        if self.instance and attrs.get("carrier", self.instance.carrier) != self.instance.carrier:
            # Its cards are this carrier's.
            raise ValidationError(
                {"carrier_id": ErrorDetail("The carrier of a gateway stays.", code="immutable")}
            )

    def _refuse_a_second_default(self, attrs: dict[str, Any]) -> None:
        carrier = attrs.get("carrier") or (self.instance and self.instance.carrier)
        others = Gateway.objects.filter(carrier=carrier, is_default=True)
        if self.instance:
            others = others.exclude(pk=self.instance.pk)
        if attrs.get("is_default") and others.exists():
            raise ValidationError(
                {"is_default": ErrorDetail("The carrier has a default gateway already.", code="unique")}
            )

    def _refuse_unusable_credentials(self, attrs: dict[str, Any]) -> None:
        if "credentials" not in attrs:
            return
        adapter, base_url = (self._value(attrs, name) for name in ("adapter", "base_url"))
        if wrong := why_unusable(adapter, base_url=base_url, credentials=attrs["credentials"]):
            raise ValidationError({"credentials": ErrorDetail(wrong, code="unusable")})

    def _value(self, attrs: dict[str, Any], name: str) -> str:
        return str(attrs[name] if name in attrs else getattr(self.instance, name))


class GatewayParameters(Parameters):
    """Filters of the list."""

    carrier_id = KeyField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class GatewayViewSet(Managed[Gateway]):
    """Gateways, by carrier and name. A changed limit is in force for the next call. One with cards cannot be deleted."""

    subject = "gateway"
    model = Gateway
    permission_classes = (MayOperate,)
    serializer_class = GatewaySerializer
    parameters = GatewayParameters

    def perform_create(self, serializer: BaseSerializer[Gateway]) -> Gateway:
        """Store it, and have its limit in force."""
        return _published(super().perform_create(serializer))

    def perform_update(self, serializer: BaseSerializer[Gateway]) -> Gateway:
        """The same."""
        return _published(super().perform_update(serializer))


def _published(gateway: Gateway) -> Gateway:
    limits.publish_on_commit(gateway)
    return gateway
