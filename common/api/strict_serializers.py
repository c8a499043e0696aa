"""Serializers that refuse, by name, what they do not take."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import Model
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

Row = TypeVar("Row", bound=Model)


class StrictSerializer(serializers.Serializer[Any]):
    """Knows every field that is sent: an unknown one is a mistake of the caller, not to be passed over."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values; raises ValidationError for unknown fields and those that are only read."""
        if isinstance(data, Mapping) and (refused := {name: self._refusal(name) for name in data}):
            errors = {name: [error] for name, error in refused.items() if error}
            if errors:
                raise ValidationError(errors)
        return super().to_internal_value(data)

    def _refusal(self, name: str) -> ErrorDetail | None:
        field = self.fields.get(name)
        if field is None:
            return ErrorDetail("There is no such field.", code="unknown_field")
        return ErrorDetail("This field is only read.", code="read_only") if field.read_only else None


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Row]):
    """The same for the fields of a row."""


class Parameters(StrictSerializer):
    """What may stand behind the `?` of a path; by itself: nothing.

    A field's `source` is what the list is filtered by, such as `at__gte`.
    """
