"""Serializer fields that several apps use."""

from datetime import datetime
from typing import Any, ClassVar, Final, NoReturn

from rest_framework import serializers

MAX_ID: Final = 2**63 - 1


class KeyField(serializers.IntegerField):
    """A row's id: an integer from 1 to `MAX_ID`. The field does not check whether the row exists."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)


class ChoiceField(serializers.ChoiceField):  # noqa: TID251 (this is the one to use)
    """One of several values. The error for any other value names them all, numbers with their meaning."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid_choice": "Choose one of: {choices}."}

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        super().fail(key, **kwargs, choices=", ".join(map(_shown, self.choices.items())))


class BoundedListField(serializers.ListField):  # noqa: TID251 (this is the one to use)
    """A list of at most `max_length` elements. Its length is checked first, because each element costs time."""

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            text = self.error_messages["max_length"].format(max_length=self.max_length)
            raise serializers.ValidationError(text, code="max_length")
        return super().to_internal_value(data)


class TimeField(serializers.DateTimeField):
    """A point in time with its offset from UTC, such as `2026-12-31T18:00:00+08:00`.

    A time without an offset is refused, because the caller's zone is not known. Values are returned in UTC.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {
        "no_offset": "Add the offset from UTC, as in 2026-12-31T18:00:00+08:00, or Z for UTC."
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("no_offset")
        return super().enforce_timezone(value)


def _shown(choice: tuple[object, object]) -> str:
    value, meaning = choice
    return f"{value} ({meaning})" if isinstance(value, int) else str(value) or "an empty string"
