"""A gateway closes a connection that was kept alive: the call is made once more, signed afresh, and nobody notices."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import pytest

from carriers.clients.base import CardError, GatewayAddress, GatewayError, UsageReading
from carriers.clients.json_contract import JsonClient
from common.http.outgoing import Outgoing

CARD = "89860000000000000001"
CREDENTIALS = json.dumps({"app_id": "demo", "secret": "s"})
BODY = json.dumps(
    {"code": 0, "data": [{"iccid": CARD, "used_mb": "1.000", "measured_at": "2026-03-01T00:00:00Z"}]}
).encode()
Use = Callable[[JsonClient], Awaitable[None]]


def against(answers_a_connection: list[int], use: Use) -> list[str]:
    """Serve: the n-th connection gets so many answers, and is closed at the request after. Returns the nonces."""
    nonces: list[str] = []
    left = iter(answers_a_connection)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = next(left)
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
            nonces.append(fields["X-Nonce"])
            await reader.readexactly(int(fields["Content-Length"]))
            if not answers:
                break
            answers -= 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with Outgoing(allowed_networks=(ip_network("127.0.0.0/8"),), connections=1) as outgoing:
            await use(JsonClient(GatewayAddress(f"http://127.0.0.1:{port}", CREDENTIALS, 2), outgoing))
        server.close()

    asyncio.run(run())
    return nonces


def test_the_call_is_made_once_more_with_a_nonce_of_its_own() -> None:
    found: list[UsageReading | CardError] = []

    async def use(client: JsonClient) -> None:
        found.extend(await client.usage([CARD]))
        found.extend(await client.usage([CARD]))

    nonces = against([1, 5], use)

    assert len(found) == 2
    assert all(isinstance(answer, UsageReading) for answer in found)
    assert len(nonces) == len(set(nonces)) == 3


def test_a_new_connection_that_is_closed_is_trouble_at_once() -> None:
    async def use(client: JsonClient) -> None:
        with pytest.raises(GatewayError):
            await client.usage([CARD])

    assert len(against([0], use)) == 1


def test_it_is_made_once_more_only_once() -> None:
    async def use(client: JsonClient) -> None:
        await client.usage([CARD])
        with pytest.raises(GatewayError):
            await client.usage([CARD])

    assert len(against([1, 0], use)) == 3
