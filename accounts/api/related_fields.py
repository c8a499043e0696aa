"""Serializer fields that name another row by its id."""

from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import serializers


class VisibleKey(serializers.PrimaryKeyRelatedField[Any]):
    """A field for the id of a row of `model`. It rejects the ids of rows that the caller may not see.

    Example::

        carrier_id = VisibleKey(Carrier, source="carrier")
    """

    def __init__(self, model: type[Model], **kwargs: Any) -> None:
        self._model = model
        # Accept only integers as ids, because DRF would otherwise read 1.5 and true as 1.
        super().__init__(queryset=model._default_manager.all(), pk_field=serializers.IntegerField(), **kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        rows: Any = self._model._default_manager
        visible: QuerySet[Any] = rows.visible_to(self.context["request"].user)
        return visible
