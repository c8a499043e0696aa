"""Copy rows to Redis so that the newest version wins if several processes copy at the same time."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def copy(read: Callable[[], Value], write: Callable[[Value], object]) -> Value:
    """Read a value and write it; repeat this until a new read returns what was written. Return this value.

    Another process may write a newer value between this process's read and write, so that this write
    overwrites it with an older one. The read after the write notices this, and the newer value is written
    again.
    """
    written, found = None, read()
    while written != found:
        write(found)
        written, found = found, read()
    return found
