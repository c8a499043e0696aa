"""Fields of a body that name another row by its id."""

from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import serializers


class VisibleKey(serializers.PrimaryKeyRelatedField[Any]):
    """The id of a row that the caller may see; of any other it says that it does not exist."""

    def __init__(self, model: type[Model], **kwargs: Any) -> None:
        """The row is found among those of `model`."""
        self._model = model
        # Not by itself: 1.5 and true would name the row 1.
        super().__init__(queryset=model._default_manager.all(), pk_field=serializers.IntegerField(), **kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        """Only what the caller may see."""
        rows: Any = self._model._default_manager
        visible: QuerySet[Any] = rows.visible_to(self.context["request"].user)
        return visible
