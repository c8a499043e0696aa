"""The origin of the current request: the addresses of its client and of the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The addresses of both ends; None when unknown, or when there is no request."""

    client_ip: str | None = None
    server_ip: str | None = None


_NOWHERE = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def current() -> Origin:
    """Return the origin of the current request; outside of a request it has no addresses."""
    return _current.get()


@contextmanager
def bound(origin: Origin) -> Iterator[None]:
    """Make `origin` the current one within the block."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
