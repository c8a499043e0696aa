"""Outgoing HTTP of the drain: a total deadline, a cap on size, and the address guard at the socket."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import (
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    TraceConfig,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from common.http.guard import AddressRefusedError, Network, check

KEEPALIVE_SECONDS = 30


class CallError(Exception):
    """A call brought no usable answer. The text holds no secret, no body and no query."""


class StaleConnectionError(CallError):
    """The server had closed a connection that was kept alive. What may be sent twice can be sent again."""


@dataclass(frozen=True)
class Reply:
    """The status and the body of an answer, and its header `Retry-After` as it stands there."""

    status: int
    body: bytes
    retry_after: str = ""


class GuardedResolver(AbstractResolver):
    """Resolves a name once; every address it has must pass the guard."""

    def __init__(self, *, is_encrypted: bool, allowed: Sequence[Network]) -> None:
        """Needs a running loop."""
        self._inner = ThreadedResolver()
        self._is_encrypted = is_encrypted
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The contract of aiohttp."""
        results = await self._inner.resolve(host, port, family)
        for result in results:
            check(result["host"], port=port, is_encrypted=self._is_encrypted, allowed=self._allowed)
        return results

    async def close(self) -> None:
        """Nothing is held."""


class Outgoing:
    """Posts to other systems. One per process: it keeps connections alive between calls."""

    def __init__(self, *, allowed_networks: Sequence[Network], connections: int) -> None:
        """Needs a running loop; `connections` is the most that are open at once."""
        self._sessions = {
            scheme: _session(allowed_networks, connections, is_encrypted=scheme == "https")
            for scheme in ("http", "https")
        }

    async def __aenter__(self) -> Self:
        """Use as a context manager to close the connections."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()

    async def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str], deadline: float, max_bytes: int
    ) -> Reply:
        """Post `body`; the whole answer must be here within `deadline` seconds and `max_bytes` bytes.

        Raises CallError when there is no such answer, StaleConnectionError when another try may bring one.
        Redirects are answers, they are not followed.
        """
        session = self._sessions.get(url.partition("://")[0])
        if session is None:
            raise CallError("the address must begin with https:// or http://")
        connection = _Connection()
        try:
            async with (
                asyncio.timeout(deadline),
                session.post(
                    url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=connection
                ) as response,
            ):
                body_read = await _read(response, max_bytes)
                return Reply(response.status, body_read, response.headers.get("Retry-After", ""))
        except TimeoutError:
            raise CallError(f"no complete answer within {deadline:g} s") from None
        except (ServerDisconnectedError, ClientOSError) as error:
            kind = StaleConnectionError if connection.is_reused else CallError
            raise kind(_reason(error)) from None
        except (ClientError, OSError, ValueError) as error:
            raise CallError(_reason(error)) from None


@dataclass
class _Connection:
    """What is noticed of the connection that a call uses."""

    is_reused: bool = False


async def _note_reuse(session: ClientSession, context: Any, params: Any) -> None:
    context.trace_request_ctx.is_reused = True


def _session(allowed: Sequence[Network], connections: int, *, is_encrypted: bool) -> ClientSession:
    def guarded_socket(info: Any) -> socket.socket:
        # aiohttp asks no resolver for a literal address, so the socket is where the guard must stand.
        family, kind, protocol, _, (host, port, *_) = info
        check(host, port=port, is_encrypted=is_encrypted, allowed=allowed)
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)  # noqa: FBT003 (its only parameter)
        return made

    connector = TCPConnector(
        limit=connections,
        keepalive_timeout=KEEPALIVE_SECONDS,
        resolver=GuardedResolver(is_encrypted=is_encrypted, allowed=allowed),
        socket_factory=guarded_socket,
    )
    trace = TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    return ClientSession(
        connector=connector,
        trace_configs=[trace],
        cookie_jar=DummyCookieJar(),
        # The deadline is ours: it covers the name, the connection and the last byte.
        timeout=ClientTimeout(total=None),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "simwatch"},
        trust_env=False,
    )


async def _read(response: ClientResponse, max_bytes: int) -> bytes:
    body = await response.content.read(max_bytes + 1)
    while len(body) <= max_bytes:
        more = await response.content.read(max_bytes + 1 - len(body))
        if not more:
            return body
        body += more
    raise CallError(f"the answer is larger than {max_bytes} bytes")


def _reason(error: Exception) -> str:
    causes = (error, error.__cause__, getattr(error, "os_error", None))
    for cause in causes:
        if isinstance(cause, AddressRefusedError):
            return str(cause)
    return {
        "ClientConnectorError": "no connection",
        "ClientConnectorDNSError": "the name cannot be resolved",
        "ClientConnectorCertificateError": "the certificate is not valid",
        "ServerDisconnectedError": "the connection was closed before an answer",
    }.get(type(error).__name__, f"the call broke off ({type(error).__name__})")
