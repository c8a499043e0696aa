"""When a gateway closes a kept-alive connection, the client signs the call again and repeats it once."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
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


def serve_and_use(answers_per_connection: list[int], use: Use) -> list[str]:
    """Run `use` with a server that closes each connection after the given number of answers.

    Return the nonces of all calls that the server received.
    """
    nonces: list[str] = []
    left = iter(answers_per_connection)
    connections: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = next(left)
        # The read is incomplete once the client has closed the connection.
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
                nonces.append(fields["X-Nonce"])
                await reader.readexactly(int(fields["Content-Length"]))
                if not answers:
                    break
                answers -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
        writer.close()
        await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.create_task(serve(reader, writer)))

    async def run() -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with Outgoing(allowed_networks=(ip_network("127.0.0.0/8"),), connections=1) as outgoing:
            await use(JsonClient(GatewayAddress(f"http://127.0.0.1:{port}", CREDENTIALS, 2), outgoing))
        server.close()
        # An open connection would be reported as a leak in whatever test runs next.
        await asyncio.gather(*connections)

    asyncio.run(run())
    return nonces


def test_retry_is_signed_with_a_new_nonce() -> None:
    answers: list[UsageReading | CardError] = []

    async def use(client: JsonClient) -> None:
        answers.extend(await client.usage([CARD]))
        answers.extend(await client.usage([CARD]))

    nonces = serve_and_use([1, 5], use)

    assert len(answers) == 2
    assert all(isinstance(answer, UsageReading) for answer in answers)
    assert len(nonces) == len(set(nonces)) == 3


def test_closed_new_connection_is_a_gateway_error_at_once() -> None:
    async def use(client: JsonClient) -> None:
        with pytest.raises(GatewayError):
            await client.usage([CARD])

    assert len(serve_and_use([0], use)) == 1


def test_call_is_retried_only_once() -> None:
    async def use(client: JsonClient) -> None:
        await client.usage([CARD])
        with pytest.raises(GatewayError):
            await client.usage([CARD])

    assert len(serve_and_use([1, 0], use)) == 3
