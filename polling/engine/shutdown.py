"""Ask running drains to end.

A worker that shuts down sets one byte of memory that it shares with its forked children, and all of them end.
A SIGTERM to a single child ends only that child, after its drain.
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
    """Return whether the drain of this process should end soon."""
    return _worker[0] != 0 or _child[0] != 0


@worker_shutting_down.connect
def ask_all(*_: Any, **__: Any) -> None:
    """Ask every drain of this worker to end. It has no effect in a child."""
    # Ignore this in a child. A newly forked child still has its parent's signal handlers, so a SIGTERM to it
    # would otherwise stop its siblings.
    if os.getpid() == _parent:
        _worker[0] = 1


@contextmanager
def on_sigterm() -> Iterator[None]:
    """Within the block, turn SIGTERM into a request to end the drain.

    The previous handler runs after the block.
    """
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
