"""gunicorn's `asgi` worker, with limits for slow clients: `--worker-class config.web_worker.WebWorker`.

gunicorn itself limits neither the time that a client takes for the head of its first request or for reading an
answer, nor the number of connections.
"""

import asyncio
import resource
from typing import Any, Final

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

# A client has this long to send the head of its first request. After an answer, gunicorn's `keepalive` applies.
HEAD_SECONDS: Final = 10.0
# A client may stop reading an answer for this long.
STALL_SECONDS: Final = 30.0
MAX_FILES: Final = 65_536
# Files that a process opens besides its connections: its log, and connections to PostgreSQL and Redis.
OTHER_FILES: Final = 100


class WebProtocol(ASGIProtocol):  # type: ignore[misc]
    """A connection that is closed when its client takes too long."""

    _at_stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # gunicorn cancels this timer when the head is complete.
        self._keepalive_handle = self.worker.loop.call_later(HEAD_SECONDS, self._keepalive_timeout)
        self.worker.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_stall()
        self.worker.connections.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except ValueError:
            # For example, Python refuses to read a Content-Length of 5,000 digits.
            self._send_error_response(400, "Bad Request")
            self._close_transport()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end_stall()
        self._at_stall = self.worker.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._end_stall()
        super().resume_writing()

    @property
    def is_waiting(self) -> bool:
        """Whether the client has not sent the head of its next request yet."""
        return bool(self._awaiting_request)

    def close(self) -> None:
        """Close the connection without an answer."""
        self._keepalive_timeout()

    def _close_transport(self) -> None:
        super()._close_transport()
        # Closing waits until the client has read what was sent.
        if self._at_stall is None and not self._conn_lost_handled:
            self._at_stall = self.worker.loop.call_later(STALL_SECONDS, self.transport.abort)

    def _end_stall(self) -> None:
        if self._at_stall:
            self._at_stall.cancel()
            self._at_stall = None


class WebWorker(gasgi.ASGIWorker):  # type: ignore[misc]
    """A worker with at most `worker_connections` connections, but never more than it may open files.

    A connection beyond that takes the place of the one that has waited longest for a request.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A dict keeps the order in which the connections were made.
        self.connections: dict[WebProtocol, None] = {}
        self.max_connections = 0

    def init_process(self) -> None:
        """Prepare the process, and serve until it ends."""
        self.max_connections = min(self.cfg.worker_connections, _allow_files() - OTHER_FILES)
        # The worker has no hook for its protocol.
        gasgi.ASGIProtocol = WebProtocol
        super().init_process()

    def make_room(self, made: WebProtocol) -> None:
        """Close a connection if there is one too many."""
        self.connections[made] = None
        if len(self.connections) > self.max_connections:
            idle = next((connection for connection in self.connections if connection.is_waiting), made)
            self.connections.pop(idle)
            idle.close()


def _allow_files() -> int:
    """Let the process open as many files as it may, up to MAX_FILES; return how many these are."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MAX_FILES if most == resource.RLIM_INFINITY else min(most, MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, allowed), most))
    return max(files, allowed)
