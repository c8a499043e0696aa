"""Serializers that refuse unknown and read-only fields. The error names the field."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar, Final, TypeVar

from django.db.models import DateTimeField, Model
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from common.api.fields import ChoiceField, TimeField

Row = TypeVar("Row", bound=Model)

# An answer names at most this many invalid fields.
MAX_ERRORS: Final = 20


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses unknown and read-only fields.

    DRF ignores such fields, which hides a caller's mistakes.
    """

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values. Raise ValidationError if a field is invalid, unknown or read-only."""
        if isinstance(data, Mapping):
            refused = ((name, error) for name in data if (error := self._refusal(name)))
            # A body may have many thousands of unknown fields.
            if errors := {name: [error] for name, error in islice(refused, MAX_ERRORS)}:
                raise ValidationError(errors)
        return super().to_internal_value(data)

    def _refusal(self, name: str) -> ErrorDetail | None:
        field = self.fields.get(name)
        if field is None:
            return ErrorDetail("There is no such field.", code="unknown_field")
        return ErrorDetail("This field is read-only.", code="read_only") if field.read_only else None


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Row]):
    """A model serializer that refuses unknown and read-only fields, and times without an offset."""

    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        DateTimeField: TimeField,
    }
    serializer_choice_field = ChoiceField


class Parameters(StrictSerializer):
    """The base class for a view's query parameters. It accepts none; each subclass adds its own.

    The `source` of a field is the Django lookup that filters the list, such as `at__gte`.

    Example::

        class OperationParameters(Parameters):
            since = TimeField(required=False, source="at__gte")
    """
