"""Where the present request comes from, and which server takes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Addresses; None: not known, or nobody asked from outside."""

    client_ip: str | None = None
    server_ip: str | None = None


_NOWHERE = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def current() -> Origin:
    """Of the present request; without addresses outside of any."""
    return _current.get()


@contextmanager
def of(origin: Origin) -> Iterator[None]:
    """What happens within comes from there."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
