"""Bounds for long runs: after its time, at Ctrl-C and at SIGTERM a run ends, with all it has started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeIsUpError(Exception):
    """The run took longer than it may; the text names the limit."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TimeIsUpError in the block after `seconds`, and KeyboardInterrupt at SIGTERM.

    Main thread only.
    """

    def time_is_up(number: int, frame: FrameType | None) -> None:
        raise TimeIsUpError(f"not done within {seconds:.0f} s")

    before = {
        signal.SIGALRM: signal.signal(signal.SIGALRM, time_is_up),
        signal.SIGTERM: signal.signal(signal.SIGTERM, signal.default_int_handler),
    }
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore SIGINT, SIGTERM and SIGALRM in the block: a second Ctrl-C must not interrupt a cleanup.

    The cleanup has to be bounded by itself.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
