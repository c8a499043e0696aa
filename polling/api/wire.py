"""Serializer fields for values that the API represents differently from the models."""

from typing import Any

from django.db.models import TextChoices
from drf_spectacular.utils import extend_schema_field

from common.api.fields import ChoiceField

ANY = "any"


@extend_schema_field({"type": "integer", "enum": [0, 1]})
class StatusField(ChoiceField):
    """A boolean model field that the API shows as a number: 1 is enabled, 0 is disabled."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(1, "enabled"), (0, "disabled")], **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return bool(super().to_internal_value(data))

    def to_representation(self, value: Any) -> Any:
        return int(value)


class ConditionField(ChoiceField):
    """One of a model's choices. The API shows the choice `any` as an empty string."""

    def __init__(self, choices: type[TextChoices], **kwargs: Any) -> None:
        api_choices = [("" if value == ANY else value, label) for value, label in choices.choices]
        super().__init__(choices=api_choices, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return str(super().to_internal_value(data)) or ANY

    def to_representation(self, value: Any) -> str:
        return "" if value == ANY else str(value)
