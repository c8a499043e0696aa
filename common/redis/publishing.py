"""Copy rows to Redis while other processes may be copying newer versions of them."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def copy(read: Callable[[], Value], write: Callable[[Value], object]) -> Value:
    """Write what `read` returns until another read returns the same value; return that value.

    Another process may write a newer value between this process's read and write. Because every process reads
    again after its write, the value that is written last is the newest.
    """
    written, found = None, read()
    while written != found:
        write(found)
        written, found = found, read()
    return found
