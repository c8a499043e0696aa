"""Bounds for long runs. A run ends and cleans up when its time is over, at Ctrl-C and at SIGTERM."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeIsUpError(Exception):
    """The run exceeded its time limit; the message names the limit."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TimeIsUpError inside the block after `seconds`, and KeyboardInterrupt at SIGTERM.

    It works only in the main thread, because only that thread may set signal handlers.
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
    """Ignore SIGINT, SIGTERM and SIGALRM inside the block, so that a second Ctrl-C can't interrupt a cleanup.

    The cleanup must have a time limit of its own, because the limit of `bounded` does not apply to it.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
