"""Copy rows to Redis so that the newest version wins even if several processes copy at the same time."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def copy(read: Callable[[], Value], write: Callable[[Value], object]) -> Value:
    """Read a value and write it, repeatedly, until a read returns the value just written. Return that value.

    Between the read and the write, another process may write a newer value. This process then overwrites the
    newer value with its older one. The next read returns the newer value, so this process writes it again.
    """
    written, found = None, read()
    while written != found:
        write(found)
        written, found = found, read()
    return found
