"""Serializers that refuse unknown and read-only fields by name."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import Model
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

Row = TypeVar("Row", bound=Model)


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses unknown fields: DRF ignores them, which hides a caller's mistakes."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values. Raise ValidationError for unknown and read-only fields too."""
        if isinstance(data, Mapping) and (refused := {name: self._refusal(name) for name in data}):
            errors = {name: [error] for name, error in refused.items() if error}
            if errors:
                raise ValidationError(errors)
        return super().to_internal_value(data)

    def _refusal(self, name: str) -> ErrorDetail | None:
        field = self.fields.get(name)
        if field is None:
            return ErrorDetail("There is no such field.", code="unknown_field")
        return ErrorDetail("This field is read-only.", code="read_only") if field.read_only else None


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Row]):
    """A StrictSerializer for the fields of a row."""


class Parameters(StrictSerializer):
    """The query parameters of a view; this base class accepts none.

    The `source` of a field is the lookup that filters the list, such as `at__gte`.

    Example::

        class OperationParameters(Parameters):
            since = serializers.DateTimeField(required=False, source="at__gte")
    """
