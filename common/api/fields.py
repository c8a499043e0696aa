"""Serializer fields that several APIs use."""

from typing import Any, Final

from rest_framework import serializers

MAX_ID: Final = 2**63 - 1


class KeyField(serializers.IntegerField):
    """The id of a row, as an integer that PostgreSQL accepts. It does not check that the row exists."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)
