"""Copies what rows say to Redis, though others may do the same with newer rows."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def copy(read: Callable[[], Value], write: Callable[[Value], object]) -> Value:
    """Write what `read` returns until it returns the same afterwards; returns that.

    Somebody else may have written something newer between our reading and writing. Whoever writes last has read after that.
    """
    written, found = None, read()
    while written != found:
        write(found)
        written, found = found, read()
    return found
