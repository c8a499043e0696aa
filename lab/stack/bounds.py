"""Whatever happens, a run ends: after its time, at Ctrl-C, or when it is told to. What it has started ends with it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeIsUpError(Exception):
    """The run took longer than it may."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TimeIsUpError in the block after so many seconds, and KeyboardInterrupt at SIGTERM."""

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
    """A second Ctrl-C does not break the clearing up, which is bounded by itself."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
