"""Serve a WSGI application over ASGI: threads work on complete requests only, and probes have threads of their own.

A client that sends its request or reads its answer slowly holds no thread. `/livez`, `/readyz` and `/healthz` are
answered while all other threads wait, for example for a database that hangs.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

import structlog

PROBES: Final = ("/livez", "/readyz")
# These answer quickly whatever state the servers are in.
QUICK: Final = (*PROBES, "/healthz")
QUICK_THREADS: Final = 4
# A client has this long to send the body of its request.
BODY_SECONDS: Final = 30.0
# All bodies that wait for a thread, or are not complete yet, may have this many bytes together.
MAX_HELD_BYTES: Final = 64_000_000
RETRY_SECONDS: Final = 5

log = structlog.get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class WSGIAnswer:
    """What a WSGI application has answered."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class ThreadedASGI:
    """An ASGI application that runs a WSGI application on `threads` threads, and probes on others.

    Of a body larger than `max_body` bytes, little more than these is read. The WSGI application must refuse such a
    request. Example::

        application = ThreadedASGI(get_wsgi_application(), threads=8, max_body=2_000_000)
    """

    def __init__(self, application: WSGIApplication, *, threads: int, max_body: int) -> None:
        self._application = application
        self._max_body = max_body
        self._held_bytes = 0
        self._workers = ThreadPoolExecutor(threads, "web")
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "quick")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            # The ASGI specification asks for an error about protocols such as `lifespan` that are not supported.
            raise ValueError(f"{scope['type']} is not supported")
        body = bytearray()
        try:
            answer = await self._answer(scope, receive, body)
        finally:
            self._held_bytes -= len(body)
        if answer:
            await _send(send, answer, has_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Message, receive: Receive, body: bytearray) -> WSGIAnswer | None:
        """Read the body into `body` and return the answer, or None if the client has gone away."""
        try:
            is_here = await asyncio.wait_for(self._read(receive, body), BODY_SECONDS)
        except TimeoutError:
            log.warning("body_timed_out", method=scope["method"], path=scope["path"])
            return refusal(408, "body_timed_out", f"The body did not arrive within {BODY_SECONDS:.0f} s.")
        except OverflowError:
            log.warning(
                "bodies_refused", method=scope["method"], path=scope["path"], held_bytes=self._held_bytes
            )
            text = "Too many large requests are being received. Try again in some seconds."
            return refusal(503, "bodies_refused", text, ("Retry-After", str(RETRY_SECONDS)))
        if not is_here:
            return None
        environ = environ_of(scope, bytes(body))
        pool = self._quick if environ["PATH_INFO"] in QUICK else self._workers
        return await asyncio.get_running_loop().run_in_executor(pool, respond, self._application, environ)

    async def _read(self, receive: Receive, body: bytearray) -> bool:
        """Read the body, or its beginning if it is too large. Return False if the client has gone away.

        Raise OverflowError if the bodies of all requests become too large together.
        """
        while len(body) <= self._max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            chunk = message.get("body", b"")
            if chunk and self._held_bytes + len(chunk) > MAX_HELD_BYTES:
                raise OverflowError
            body += chunk
            self._held_bytes += len(chunk)
            if not message.get("more_body", False):
                break
        return True


def refusal(status: int, code: str, detail: str, *headers: tuple[str, str]) -> WSGIAnswer:
    """Return the answer, as `application/problem+json`, to a request that does not reach the WSGI application."""
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    fixed = [("Content-Type", "application/problem+json"), ("Connection", "close")]
    return WSGIAnswer(status, [*fixed, *headers], json.dumps(problem).encode())


def environ_of(scope: Message, body: bytes) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333)."""
    server, client = scope.get("server") or ("", None), scope.get("client") or ("", None)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(_path_of(scope["raw_path"])).decode("latin-1"),
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


def _path_of(target: bytes) -> bytes:
    """Return the path of a request's target, which is a whole address if a proxy sends it (RFC 9112, 3.2.2)."""
    return target if target.startswith(b"/") else urlsplit(target).path or b"/"


def respond(application: WSGIApplication, environ: dict[str, Any]) -> WSGIAnswer:
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
    return WSGIAnswer(*started[-1], body)


async def _send(send: Send, answer: WSGIAnswer, *, has_body: bool = True) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if has_body else b""})
