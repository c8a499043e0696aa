"""Serve a WSGI application over ASGI: threads work on complete requests only, and probes have threads of their own.

A client that sends its request or reads its answer slowly holds no thread. `/livez` and `/readyz` are answered
while all other threads wait, for example for a database that hangs.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

PROBES: Final = ("/livez", "/readyz")
PROBE_THREADS: Final = 2
# A client has this long to send the body of its request.
BODY_SECONDS: Final = 30.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class RequestLanes:
    """An ASGI application that runs a WSGI application on `threads` threads, and probes on others.

    Of a body larger than `max_body` bytes, little more than these is read. The WSGI application must refuse such a
    request. Example::

        application = RequestLanes(get_wsgi_application(), threads=8, max_body=2_000_000)
    """

    def __init__(self, application: WSGIApplication, *, threads: int, max_body: int) -> None:
        self._application = application
        self._max_body = max_body
        self._workers = ThreadPoolExecutor(threads, "web")
        self._probes = ThreadPoolExecutor(PROBE_THREADS, "probe")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        try:
            body = await asyncio.wait_for(self._body(receive), BODY_SECONDS)
        except TimeoutError:
            await _send(send, Answer(408, [], b""))
            return
        if body is None:
            return
        lane = self._probes if scope["path"] in PROBES else self._workers
        environ = environ_of(scope, body)
        loop = asyncio.get_running_loop()
        await _send(send, await loop.run_in_executor(lane, respond, self._application, environ))

    async def _body(self, receive: Receive) -> bytes | None:
        """Return the body, or its beginning if it is too large, or None if the client has gone away."""
        body = bytearray()
        while len(body) <= self._max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        return bytes(body)


@dataclass(frozen=True)
class Answer:
    """What a WSGI application has answered."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def environ_of(scope: Message, body: bytes) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333)."""
    server, client = scope.get("server") or ("", None), scope.get("client") or ("", None)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or ""),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # WSGI cannot tell X_Y from X-Y, so a client could forge a header that only a proxy may set.
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            key = f"HTTP_{key}"
        if key.startswith("HTTP_") and key in environ:
            value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        environ[key] = value
    return environ


def respond(application: WSGIApplication, environ: dict[str, Any]) -> Answer:
    """Call a WSGI application, and return its whole answer."""
    started: list[tuple[int, Sequence[tuple[str, str]]]] = []

    def start_response(status: str, headers: Sequence[tuple[str, str]], _: object = None) -> None:
        started.append((int(status.split(maxsplit=1)[0]), headers))

    chunks = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        # Django ends the request here: it closes old connections to the database.
        if close := getattr(chunks, "close", None):
            close()
    return Answer(*started[-1], body)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
