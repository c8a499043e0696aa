"""The endpoint `/gateways`. Credentials can be written but never read."""

from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.serializers import BaseSerializer

from accounts.api.permissions import MayOperate
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import ManagedViewSet
from accounts.roles import Role
from carriers import limits
from carriers.clients.registry import unusable_reason
from carriers.models import Carrier, Gateway
from common.api.fields import KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer


@extend_schema_field({"type": "object", "examples": [{"app_id": "...", "secret": "..."}]})
class CredentialsField(serializers.Field[Any, Any, Any, Any]):
    """A write-only field for credentials, a JSON object with the fields that the adapter expects."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(write_only=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the credentials as JSON text, which the model encrypts."""
        if not isinstance(data, dict):
            raise ValidationError(ErrorDetail("Credentials must be a JSON object.", code="invalid"))
        text = orjson.dumps(data).decode()
        if "\\u0000" in text:
            raise ValidationError(
                ErrorDetail("Null characters are not allowed.", code="null_characters_not_allowed")
            )
        return text


class GatewaySerializer(StrictModelSerializer[Gateway]):
    """A gateway. A change without `credentials` keeps the stored credentials.

    The carrier cannot be changed.
    """

    carrier_id = VisibleKey(Carrier, source="carrier")
    credentials = CredentialsField()

    class Meta:
        model = Gateway
        fields: tuple[str, ...] = (
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
        # Skip DRF's check of the unique constraint. `_refuse_a_second_default` reports it at `is_default`.
        validators = ()

    def validate_credentials(self, value: str) -> str:
        # Only administrators may write credentials, because overwritten credentials cannot be restored.
        if self.context["request"].user.role != Role.ADMINISTRATOR:
            raise PermissionDenied(
                "Only administrators may write credentials.", code="secrets_are_for_administrators"
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        self._refuse_another_carrier(attrs)
        self._refuse_a_second_default(attrs)
        self._refuse_unusable_credentials(attrs)
        return attrs

    def _refuse_another_carrier(self, attrs: dict[str, Any]) -> None:
        if self.instance and attrs.get("carrier", self.instance.carrier) != self.instance.carrier:
            # A gateway and its cards must belong to the same carrier.
            raise ValidationError(
                {"carrier_id": ErrorDetail("The carrier of a gateway cannot be changed.", code="immutable")}
            )

    def _refuse_a_second_default(self, attrs: dict[str, Any]) -> None:
        carrier = attrs.get("carrier") or (self.instance and self.instance.carrier)
        others = Gateway.objects.filter(carrier=carrier, is_default=True)
        if self.instance:
            others = others.exclude(pk=self.instance.pk)
        if attrs.get("is_default") and others.exists():
            raise ValidationError(
                {"is_default": ErrorDetail("The carrier already has a default gateway.", code="unique")}
            )

    def _refuse_unusable_credentials(self, attrs: dict[str, Any]) -> None:
        if "credentials" not in attrs:
            return
        adapter, base_url = (self._value(attrs, name) for name in ("adapter", "base_url"))
        if reason := unusable_reason(adapter, base_url=base_url, credentials=attrs["credentials"]):
            raise ValidationError({"credentials": ErrorDetail(reason, code="unusable")})

    def _value(self, attrs: dict[str, Any], name: str) -> str:
        return str(attrs[name] if name in attrs else getattr(self.instance, name))


class GatewayParameters(Parameters):
    """Filters for the list of gateways."""

    carrier_id = KeyField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class GatewayViewSet(ManagedViewSet[Gateway]):
    """Gateways, sorted by carrier and name. A changed limit applies from the next call.

    A gateway that has cards cannot be deleted.
    """

    subject = "gateway"
    model = Gateway
    permission_classes = (MayOperate,)
    serializer_class = GatewaySerializer
    parameters = GatewayParameters

    def perform_create(self, serializer: BaseSerializer[Gateway]) -> Gateway:
        return _published(super().perform_create(serializer))

    def perform_update(self, serializer: BaseSerializer[Gateway]) -> Gateway:
        return _published(super().perform_update(serializer))


def _published(gateway: Gateway) -> Gateway:
    limits.publish_on_commit(gateway)
    return gateway
