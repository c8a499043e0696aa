"""Ask running drains to end.

When a worker shuts down, it sets a byte in memory that it shares with its forked children. Then all of them
end their drains. A SIGTERM to a single child ends only that child, after its drain.
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
    """Ask every drain of this worker to end. In a child process, this has no effect."""
    # A newly forked child still has the signal handlers of its parent. Without this condition, a SIGTERM to
    # one child would also stop its siblings.
    if os.getpid() == _parent:
        _worker[0] = 1


@contextmanager
def on_sigterm() -> Iterator[None]:
    """Within the block, turn SIGTERM into a request to end the drain.

    If SIGTERM arrived, the previous handler runs after the block, unless the entire worker shuts down.
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
