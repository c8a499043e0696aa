"""Tells running drains to come to an end.

A worker that shuts down says so in one byte of memory that it shares with the children it forks. SIGTERM to one
child alone ends that child after its drain; its siblings go on.
"""

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.signals import worker_shutting_down

_parent = os.getpid()
_worker = mmap.mmap(-1, 1)
_child = bytearray(1)


def is_wanted() -> bool:
    """Whether the drain of this process should end soon."""
    return _worker[0] != 0 or _child[0] != 0


@worker_shutting_down.connect
def ask_all(*_: Any, **__: Any) -> None:
    """Ask every drain of this worker to end. Heard in the parent alone."""
    # A child that was forked this moment still has the parent's handlers: SIGTERM to it is no word to its siblings.
    if os.getpid() == _parent:
        _worker[0] = 1


@contextmanager
def on_sigterm() -> Iterator[None]:
    """While a drain runs, SIGTERM only asks it to end; what SIGTERM did before happens after it."""
    _child[0] = 0
    before = signal.signal(signal.SIGTERM, _ask_child)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if _child[0] and not _worker[0]:
            signal.raise_signal(signal.SIGTERM)


def _ask_child(*_: Any) -> None:
    _child[0] = 1
