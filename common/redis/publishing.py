"""Copy rows to Redis so that the newest version wins even if several processes copy at the same time."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def copy(read: Callable[[], Value], write: Callable[[Value], object]) -> Value:
    """Read a value from PostgreSQL and write it to Redis until both agree, and return the value.

    Between the read and the write, another process may write a newer value to Redis, which this process then
    overwrites with an older one. The next read finds the newer value in PostgreSQL, and it is written again.
    """
    written, found = None, read()
    while written != found:
        write(found)
        written, found = found, read()
    return found
