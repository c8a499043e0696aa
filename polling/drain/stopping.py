"""Tells running drains to come to an end.

The flag is one byte of memory that the worker shares with the children it forks: the parent sets it when it
is asked to stop, a child when SIGTERM reaches it directly.
"""

import mmap
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.signals import worker_shutting_down

_flag = mmap.mmap(-1, 1)


def is_wanted() -> bool:
    """Whether drains should end soon."""
    return _flag[0] != 0


@worker_shutting_down.connect
def ask(*_: Any, **__: Any) -> None:
    """Ask every drain of this worker to end."""
    _flag[0] = 1


@contextmanager
def on_sigterm() -> Iterator[None]:
    """While a drain runs, SIGTERM asks it to end; Celery's own handler would tear it apart."""
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
