"""A request over ASGI reaches the WSGI application as PEP 3333 says, and only when it is complete."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from config import threaded_asgi
from config.threaded_asgi import ThreadedASGI

MAX_BODY = 10


class Application:
    """A WSGI application that keeps the environment and the body of each request."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.is_closed = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environs.append(environ)
        self.bodies.append(environ["wsgi.input"].read())
        start_response("201 Created", [("Content-Type", "text/plain"), ("X-Two", "1")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a", b"b"])

    def close(self) -> None:
        self.is_closed = True


def scope(**changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/caf\u00e9",
        "raw_path": b"/api/caf%C3%A9",
        "query_string": b"a=%2F",
        "headers": [],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.9", 5000),
        **changes,
    }


def ask(application: Any, chunks: Iterable[bytes] = (), **changes: Any) -> list[Any]:
    """Send a request whose body is `chunks`; return the messages of the answer."""
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    served = ThreadedASGI(application, threads=1, max_body=MAX_BODY)
    asyncio.run(served(scope(**changes), receive, send))
    return sent


def test_request_and_answer_pass_unchanged() -> None:
    application = Application()

    sent = ask(application, [b"12", b"345"])

    environ = application.environs[0]
    assert application.bodies == [b"12345"]
    assert {
        name: environ[name]
        for name in (
            "REQUEST_METHOD",
            "PATH_INFO",
            "QUERY_STRING",
            "REMOTE_ADDR",
            "CONTENT_LENGTH",
            "SERVER_PORT",
        )
    } == {
        "REQUEST_METHOD": "POST",
        # WSGI wants bytes as latin-1.
        "PATH_INFO": "/api/caf\u00c3\u00a9",
        "QUERY_STRING": "a=%2F",
        "REMOTE_ADDR": "127.0.0.9",
        "CONTENT_LENGTH": "5",
        "SERVER_PORT": "8000",
    }
    assert sent == [
        {
            "type": "http.response.start",
            "status": 201,
            "headers": [(b"content-type", b"text/plain"), (b"x-two", b"1")],
        },
        {"type": "http.response.body", "body": b"ab"},
    ]
    assert application.is_closed


def test_headers_become_variables() -> None:
    application = Application()

    ask(
        application,
        headers=[
            (b"content-type", b"application/json"),
            (b"x-forwarded-for", b"10.0.0.1"),
            (b"x-forwarded-for", b"10.0.0.2"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            # A client must not be able to forge a header of a proxy by another spelling.
            (b"x_forwarded_proto", b"https"),
        ],
    )

    environ = application.environs[0]
    assert environ["CONTENT_TYPE"] == "application/json"
    assert environ["HTTP_X_FORWARDED_FOR"] == "10.0.0.1,10.0.0.2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert "HTTP_X_FORWARDED_PROTO" not in environ


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://foo.example/livez", "/livez"),
        (b"http://foo.example", "/"),
        (b"//livez", "//livez"),
        (b"*", "*"),
    ],
)
def test_target_may_be_a_whole_address(target: bytes, path: str) -> None:
    application = Application()

    ask(application, raw_path=target)

    assert application.environs[0]["PATH_INFO"] == path


def test_answer_to_head_has_no_body() -> None:
    assert ask(Application(), method="HEAD")[1]["body"] == b""


def test_websocket_is_refused() -> None:
    application = Application()

    assert ask(application, type="websocket") == [{"type": "websocket.close"}]
    assert application.environs == []


def test_too_large_body_is_not_read_to_its_end() -> None:
    announced, chunked = Application(), Application()

    ask(announced, [b"x" * 8] * 9, headers=[(b"content-length", b"72")])
    ask(chunked, [b"x" * 8] * 9)

    assert (announced.bodies, announced.environs[0]["CONTENT_LENGTH"]) == ([b"x" * 16], "72")
    assert (chunked.bodies, chunked.environs[0]["CONTENT_LENGTH"]) == ([b"x" * 16], "16")


def test_body_that_does_not_come_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded_asgi, "BODY_SECONDS", 0.05)
    application, sent = Application(), []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(ThreadedASGI(application, threads=1, max_body=MAX_BODY)(scope(), receive, send))

    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "body_timed_out"
    assert application.environs == []


def test_bodies_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded_asgi, "MAX_HELD_BYTES", 25)
    application = Application()
    served = ThreadedASGI(application, threads=1, max_body=MAX_BODY)
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if "status" in message:
            statuses.append(message["status"])

    async def upload(may_end: asyncio.Event) -> None:
        chunks = [b"x" * 10]

        async def receive() -> Any:
            if chunks:
                return {"type": "http.request", "body": chunks.pop(), "more_body": True}
            await may_end.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        await served(scope(), receive, send)

    async def upload_thrice() -> None:
        may_end = asyncio.Event()
        uploads = [asyncio.create_task(upload(may_end)) for _ in range(3)]
        await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
        assert statuses == [503]
        may_end.set()
        await asyncio.gather(*uploads)
        await upload(may_end)

    asyncio.run(upload_thrice())

    assert statuses == [503, 201, 201, 201]


def test_request_of_a_client_that_has_gone_away_is_dropped() -> None:
    application, sent = Application(), []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(ThreadedASGI(application, threads=1, max_body=MAX_BODY)(scope(), receive, send))

    assert (application.environs, sent) == ([], [])
