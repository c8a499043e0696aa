"""The simulator's HTTP/1.1 server, an asyncio protocol that uses httptools.

It is several times as fast as a web framework.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import httptools

MAX_BODY_BYTES = 2_000_000
# The `struct linger` of socket(7), switched on with 0 s, so that closing the socket resets the connection.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """One complete request. `target` is the path with its query; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One complete answer.

    Content-Length announces `missing` more bytes than the body has.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    missing: int = 0

    def encode(self, *, keep_alive: bool) -> bytes:
        """Return the bytes to send."""
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body) + self.missing}\r\n"
            f"Date: {_http_date(int(time.time()))}\r\n"
            f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
        )
        if self.headers:
            head += "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return head.encode() + b"\r\n" + self.body


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    # Cache the text, because formatting it would cost as much as the rest of an answer.
    return formatdate(second, usegmt=True)


@dataclass(frozen=True)
class RawAnswer:
    """Raw bytes to send, with a pause of `gap` seconds before each piece.

    Afterwards the connection is closed, or reset if `is_reset` is true.
    """

    pieces: Sequence[bytes] = ()
    gap: float = 0.0
    is_reset: bool = False


Reply = Answer | RawAnswer
# A context manager that yields the reply. It is entered when the reply is needed, and left once the reply has
# been sent or the client has hung up.
LateReply = AbstractAsyncContextManager[Reply]
Handler = Callable[[Request], Answer | LateReply]


class HttpProtocol(asyncio.Protocol):
    """One connection, on which requests are answered in the order in which they arrive.

    `handle` is called for each request. If it returns an Answer, usually no task is created, because a task
    costs time. `connections` holds the transports of all open connections. Example::

        answer = Answer(200, b"{}")
        await loop.create_server(lambda: HttpProtocol(lambda request: answer, set()), "127.0.0.1", 8100)
    """

    def __init__(self, handle: Handler, connections: set[asyncio.Transport]) -> None:
        self._handle = handle
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        # The task that sends the previous answer, if it still runs. The next answer waits for it.
        self._before: asyncio.Task[None] | None = None
        self._target, self._body = b"", b""
        self._headers: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)
        if self._before:
            self._before.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(Answer(HTTPStatus.BAD_REQUEST, b"").encode(keep_alive=False))
            self._transport.close()

    # The names of the methods below are fixed, because httptools' parser calls them.
    def on_message_begin(self) -> None:
        self._target, self._body, self._headers = b"", b"", {}

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part
        if len(self._body) > MAX_BODY_BYTES:
            self._transport.close()

    def on_message_complete(self) -> None:
        method, target = self._parser.get_method().decode("latin-1"), self._target.decode("latin-1")
        keep_alive = self._parser.should_keep_alive()
        answer = self._handle(Request(method, target, self._headers, self._body))
        if isinstance(answer, Answer) and self._before is None:
            self._send(answer, keep_alive=keep_alive)
            return
        late = nullcontext(answer) if isinstance(answer, Answer) else answer
        self._before = asyncio.ensure_future(self._later(late, self._before, keep_alive=keep_alive))

    async def _later(self, late: LateReply, before: asyncio.Task[None] | None, *, keep_alive: bool) -> None:
        try:
            if before:
                await before
            async with late as reply:
                if isinstance(reply, Answer):
                    self._send(reply, keep_alive=keep_alive)
                else:
                    await self._send_raw(reply)
        except Exception:
            self._transport.abort()
            raise
        if self._before is asyncio.current_task():
            self._before = None

    def _send(self, answer: Answer, *, keep_alive: bool) -> None:
        self._transport.write(answer.encode(keep_alive=keep_alive))
        if not keep_alive:
            self._transport.close()

    async def _send_raw(self, raw: RawAnswer) -> None:
        for piece in raw.pieces:
            await asyncio.sleep(raw.gap)
            self._transport.write(piece)
        if raw.is_reset:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()
        else:
            self._transport.close()
