"""The id that ties a request to its log lines and to the tasks it started."""

import re
import uuid

from structlog import contextvars

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def accept(offered: str | None) -> str:
    """Return the client's id if it is well formed, otherwise a new one."""
    if offered and _ACCEPTED.fullmatch(offered):
        return offered
    return uuid.uuid4().hex


def bind(request_id: str) -> None:
    """Make `request_id` the current id, and drop everything that an earlier request or task has bound."""
    contextvars.clear_contextvars()
    contextvars.bind_contextvars(request_id=request_id)


def current() -> str:
    """Return the current id; a new one outside of requests and tasks."""
    return str(contextvars.get_contextvars().get("request_id") or accept(None))
