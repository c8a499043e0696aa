"""Outgoing HTTP requests to a real, misbehaving server on loopback."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from socket import AF_INET

import pytest
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from common.http import outgoing as outgoing_module
from common.http.guard import Network
from common.http.outgoing import CallError, Outgoing, Reply

LOOPBACK = (ip_network("127.0.0.0/8"),)
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def call(
    behaviour: Behaviour,
    *,
    deadline: float = 2,
    max_bytes: int = 1000,
    allowed: tuple[Network, ...] = LOOPBACK,
) -> Reply:
    async def run() -> Reply:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await behaviour(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            async with Outgoing(allowed_networks=allowed, connections=5) as outgoing:
                return await outgoing.post(
                    f"http://127.0.0.1:{port}/x",
                    body=b"{}",
                    headers={},
                    deadline=deadline,
                    max_bytes=max_bytes,
                )
        finally:
            server.close()

    return asyncio.run(run())


def answer(body: bytes, *, head: bytes = b"HTTP/1.1 200 OK", length: int | None = None) -> Behaviour:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = len(body) if length is None else length
        writer.write(head + b"\r\nContent-Length: %d\r\n\r\n" % size + body)
        await writer.drain()

    return behave


def test_answer_arrives_whole() -> None:
    assert call(answer(b"x" * 1000)) == Reply(200, b"x" * 1000)


def test_answer_above_the_size_limit_is_refused() -> None:
    with pytest.raises(CallError, match="larger than 1000 bytes"):
        call(answer(b"x" * 1001))


def test_dripping_body_is_cut_off_at_the_total_deadline() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    started = time.monotonic()
    with pytest.raises(CallError, match="within 0.4 s"):
        call(drip, deadline=0.4)

    assert time.monotonic() - started < 10


def test_silent_server_is_cut_off_at_the_deadline() -> None:
    async def silence(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    with pytest.raises(CallError, match="within 0.3 s"):
        call(silence, deadline=0.3)


def test_truncated_answer_is_refused() -> None:
    with pytest.raises(CallError):
        call(answer(b"half", length=8))


def test_redirect_is_not_followed() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/"

    assert call(answer(b"", head=head)).status == 302


def test_compressed_answer_is_not_decompressed() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip"

    assert call(answer(b"not gzip", head=head)).body == b"not gzip"


def test_forbidden_address_gets_no_connection() -> None:
    connected: list[bool] = []

    async def note(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        connected.append(True)

    with pytest.raises(CallError, match="not public"):
        call(note, allowed=())

    assert connected == []


def test_resolved_name_must_pass_the_guard() -> None:
    async def run() -> None:
        async with Outgoing(allowed_networks=(), connections=1) as outgoing:
            await outgoing.post("https://localhost/x", body=b"", headers={}, deadline=2, max_bytes=1)

    with pytest.raises(CallError, match="not public"):
        asyncio.run(run())


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "127.0.0.1"])
def test_other_schemes_are_refused(url: str) -> None:
    async def run() -> None:
        async with Outgoing(allowed_networks=LOOPBACK, connections=1) as outgoing:
            await outgoing.post(url, body=b"", headers={}, deadline=2, max_bytes=1)

    with pytest.raises(CallError, match="must begin with"):
        asyncio.run(run())


def test_busy_connection_notices_that_its_name_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing_module, "CONNECTION_AGE_SECONDS", 0.3)
    leads_to = "127.0.0.1"

    async def resolve(_: object, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=leads_to, port=port, family=AF_INET, proto=0, flags=0)]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)

    async def answer_with_address(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = writer.get_extra_info("sockname")[0].encode()
        try:
            while await reader.readuntil(b"\r\n\r\n{}"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except asyncio.IncompleteReadError:
            writer.close()

    async def run() -> list[str]:
        nonlocal leads_to
        first = await asyncio.start_server(answer_with_address, "127.0.0.1", 0)
        port = first.sockets[0].getsockname()[1]
        second = await asyncio.start_server(answer_with_address, "127.0.0.2", port)
        answered: list[str] = []
        async with (
            first,
            second,
            Outgoing(allowed_networks=LOOPBACK, connections=5) as outgoing,
            asyncio.timeout(20),
        ):
            while "127.0.0.2" not in answered:
                reply = await outgoing.post(
                    f"http://gateway.test:{port}/", body=b"{}", headers={}, deadline=5, max_bytes=100
                )
                answered.append(reply.body.decode())
                leads_to = "127.0.0.2"
        return answered

    answered = asyncio.run(run())

    # The connection was kept while it was young.
    assert answered.count("127.0.0.1") > 1
