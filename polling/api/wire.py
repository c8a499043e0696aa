"""How programs write what the models call otherwise."""

from typing import Any

from django.db.models import TextChoices
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

ANY = "any"


@extend_schema_field({"type": "integer", "enum": [0, 1]})
class StatusField(serializers.ChoiceField):
    """Enabled is 1, disabled is 0."""

    def __init__(self, **kwargs: Any) -> None:
        """As every field."""
        super().__init__(choices=[(1, "enabled"), (0, "disabled")], **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """A truth."""
        return bool(super().to_internal_value(data))

    def to_representation(self, value: Any) -> Any:
        """A number."""
        return int(value)


class ConditionField(serializers.ChoiceField):
    """One of a model's choices; the empty one stands for any."""

    def __init__(self, choices: type[TextChoices], **kwargs: Any) -> None:
        """The choice `any` of the model is the empty one here."""
        offered = [("" if value == ANY else value, label) for value, label in choices.choices]
        super().__init__(choices=offered, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """As the model has it."""
        return str(super().to_internal_value(data)) or ANY

    def to_representation(self, value: Any) -> str:
        """As programs write it."""
        return "" if value == ANY else str(value)
