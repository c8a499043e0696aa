"""The origin of the current request: the addresses of the client and of this server."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The addresses of the client and of this server. An address that is not known is None."""

    client_ip: str | None = None
    server_ip: str | None = None


_NOWHERE = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def current() -> Origin:
    """Return the origin of the current request. Outside a request, both addresses are None."""
    return _current.get()


@contextmanager
def bound(origin: Origin) -> Iterator[None]:
    """Make `current` return `origin` within the `with` block."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
