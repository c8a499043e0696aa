"""Copy rows to Redis so that the newest version wins even if several processes copy at the same time."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def copy(read: Callable[[], Value], write: Callable[[Value], object]) -> Value:
    """Copy a value from PostgreSQL to Redis until it no longer changes in PostgreSQL, and return the value.

    Between the read and the write, another process may copy a newer value, which this process then overwrites
    with its older one. So it reads again after each write, and copies the value again if it has changed.
    """
    written, found = None, read()
    while written != found:
        write(found)
        written, found = found, read()
    return found
