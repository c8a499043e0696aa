"""Serializer fields that several apps use."""

from typing import Any, Final

from rest_framework import serializers

MAX_ID: Final = 2**63 - 1


class KeyField(serializers.IntegerField):
    """A row's id: an integer from 1 to `MAX_ID`. The field does not check whether the row exists."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)
