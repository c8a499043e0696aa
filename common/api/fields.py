"""A row's id in a query or a body."""

from typing import Any, Final

from rest_framework import serializers

MAX_ID: Final = 2**63 - 1


class KeyField(serializers.IntegerField):
    """The id of a row; whether there is one is for the query to say."""

    def __init__(self, **kwargs: Any) -> None:
        """As every field."""
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)
