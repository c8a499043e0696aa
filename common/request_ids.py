"""The request id, which connects a request with its log lines and with the tasks that it started."""

import re
import uuid

from structlog import contextvars

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def accept(offered: str | None) -> str:
    """Return the client's request id `offered` if it is well formed, otherwise a new id."""
    if offered and _ACCEPTED.fullmatch(offered):
        return offered
    return uuid.uuid4().hex


def bind(request_id: str) -> None:
    """Make `request_id` the current id, and drop the log context of any earlier request or task."""
    contextvars.clear_contextvars()
    contextvars.bind_contextvars(request_id=request_id)


def current() -> str:
    """Return the current request id. Outside of requests and tasks, return a new id each time."""
    return str(contextvars.get_contextvars().get("request_id") or accept(None))
