"""The simulator's HTTP/1.1: an asyncio protocol around httptools, several times faster than a web framework."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools

MAX_BODY_BYTES = 2_000_000


@dataclass(frozen=True)
class Request:
    """One request, whole. `target` is what stands on the request line; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One answer, whole."""

    status: int
    body: bytes
    content_type: str = "application/json"

    def encode(self, *, keep_alive: bool) -> bytes:
        """The bytes on the wire."""
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
        )
        return head.encode() + self.body


Handler = Callable[[Request], Answer | Awaitable[Answer]]


class HttpProtocol(asyncio.Protocol):
    """One connection. Requests are answered one after the other; an Answer at hand costs no task."""

    def __init__(self, handle: Handler, connections: set[asyncio.Transport]) -> None:
        """`handle` is called once a request; `connections` holds the connection while it is open."""
        self._handle = handle
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        # The answer that is still owed: the next one waits for it.
        self._before: asyncio.Task[None] | None = None
        self._target, self._body = b"", b""
        self._headers: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio; whoever works for this connection stops."""
        self._connections.discard(self._transport)
        if self._before:
            self._before.cancel()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(Answer(HTTPStatus.BAD_REQUEST, b"").encode(keep_alive=False))
            self._transport.close()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._target, self._body, self._headers = b"", b"", {}

    def on_url(self, part: bytes) -> None:
        """Called by the parser."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self._body += part
        if len(self._body) > MAX_BODY_BYTES:
            self._transport.close()

    def on_message_complete(self) -> None:
        """Called by the parser: the request is whole."""
        method, target = self._parser.get_method().decode("latin-1"), self._target.decode("latin-1")
        keep_alive = self._parser.should_keep_alive()
        answer = self._handle(Request(method, target, self._headers, self._body))
        if isinstance(answer, Answer) and self._before is None:
            self._send(answer, keep_alive=keep_alive)
        else:
            self._before = asyncio.ensure_future(self._later(answer, self._before, keep_alive=keep_alive))

    async def _later(
        self, answer: Answer | Awaitable[Answer], before: asyncio.Task[None] | None, *, keep_alive: bool
    ) -> None:
        try:
            ready = answer if isinstance(answer, Answer) else await answer
            if before:
                await before
            self._send(ready, keep_alive=keep_alive)
        except Exception:
            self._transport.abort()
            raise
        if self._before is asyncio.current_task():
            self._before = None

    def _send(self, answer: Answer, *, keep_alive: bool) -> None:
        self._transport.write(answer.encode(keep_alive=keep_alive))
        if not keep_alive:
            self._transport.close()
