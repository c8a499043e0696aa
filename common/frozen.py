"""Copies of frozen dataclasses."""

from typing import Any, TypeVar

Row = TypeVar("Row")


def changed(row: Row, **changes: Any) -> Row:
    """Return a copy of a frozen dataclass with other values in some fields.

    It is several times as fast as `dataclasses.replace`, because it neither looks at the fields nor calls
    `__init__`. So the dataclass must have neither slots nor `__post_init__`, and names are not checked.
    """
    copy = object.__new__(type(row))
    copy.__dict__.update(row.__dict__)
    copy.__dict__.update(changes)
    return copy
