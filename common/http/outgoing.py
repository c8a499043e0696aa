"""An HTTP client with a total deadline, a size limit for answers, and the address guard on every socket."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
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
# A busy connection never idles, so only its age makes a client notice that a name leads elsewhere now.
CONNECTION_AGE_SECONDS = 50.0


class CallError(Exception):
    """A call got no usable answer. The message contains no secret, no body and no query string."""


class StaleConnectionError(CallError):
    """A call failed on a reused connection, probably because the server had closed the connection.

    If repeating the request is safe, send it again.
    """


@dataclass(frozen=True)
class Reply:
    """An answer. `retry_after` and `date` are the texts of these headers, or empty if it has none."""

    status: int
    body: bytes
    retry_after: str = ""
    date: str = ""


class GuardedResolver(AbstractResolver):
    """A resolver that refuses a host name unless the guard accepts all its addresses.

    Create it while an event loop is running.
    """

    def __init__(self, *, is_encrypted: bool, allowed: Sequence[Network]) -> None:
        self._inner = ThreadedResolver()
        self._is_encrypted = is_encrypted
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._inner.resolve(host, port, family)
        for result in results:
            check(result["host"], port=port, is_encrypted=self._is_encrypted, allowed=self._allowed)
        return results

    async def close(self) -> None:
        """Do nothing, because the inner resolver has nothing to close."""


class Outgoing:
    """A client that posts to other systems. Share one instance, because it reuses connections between calls.

    At most `connections` connections are open for http, and at most the same number for https. New calls use
    new connections every 50 s, so that names are resolved again. Create the instance while an event loop is
    running.

    Example::

        async with Outgoing(allowed_networks=(), connections=100) as outgoing:
            reply = await outgoing.post(url, body=b"{}", headers={}, deadline=10, max_bytes=1_000_000)
    """

    def __init__(self, *, allowed_networks: Sequence[Network], connections: int) -> None:
        self._pools = {
            scheme: _Pool(partial(_session, allowed_networks, connections, is_encrypted=scheme == "https"))
            for scheme in ("http", "https")
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.close()

    async def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str], deadline: float, max_bytes: int
    ) -> Reply:
        """Post `body` and return the reply. A redirect is returned and not followed.

        Raise CallError unless the complete answer arrives within `deadline` seconds and has at most
        `max_bytes` bytes. If a reused connection broke, the error is a StaleConnectionError, because another
        attempt may succeed.
        """
        pool = self._pools.get(url.partition("://")[0])
        if pool is None:
            raise CallError("the address must begin with https:// or http://")
        connection = _Connection()
        try:
            async with (
                asyncio.timeout(deadline),
                pool.session() as session,
                session.post(
                    url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=connection
                ) as response,
            ):
                body_read = await _read(response, max_bytes)
                answered = response.headers
                return Reply(
                    response.status, body_read, answered.get("Retry-After", ""), answered.get("Date", "")
                )
        except TimeoutError:
            raise CallError(f"no complete answer within {deadline:g} s") from None
        except (ServerDisconnectedError, ClientOSError) as error:
            kind = StaleConnectionError if connection.is_reused else CallError
            raise kind(_reason(error)) from None
        except (ClientError, OSError, ValueError) as error:
            raise CallError(_reason(error)) from None


class _Pool:
    """The connections for one scheme. They are replaced when they are old, after their calls have ended."""

    def __init__(self, make: Callable[[], ClientSession]) -> None:
        self._make = make
        self._current = make()
        self._replaced_at = asyncio.get_running_loop().time() + CONNECTION_AGE_SECONDS
        self._calls: Counter[ClientSession] = Counter()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ClientSession]:
        """Yield the session for one call."""
        now = asyncio.get_running_loop().time()
        if now >= self._replaced_at:
            old, self._current = self._current, self._make()
            self._replaced_at = now + CONNECTION_AGE_SECONDS
            await self._close_if_unused(old)
        session = self._current
        self._calls[session] += 1
        try:
            yield session
        finally:
            self._calls[session] -= 1
            await self._close_if_unused(session)

    async def close(self) -> None:
        for session in {self._current, *self._calls}:
            await session.close()

    async def _close_if_unused(self, session: ClientSession) -> None:
        if session is not self._current and not self._calls[session]:
            del self._calls[session]
            await session.close()


@dataclass
class _Connection:
    """`is_reused` tells whether a call uses a connection that an earlier call opened."""

    is_reused: bool = False


async def _note_reuse(session: ClientSession, context: Any, params: Any) -> None:
    context.trace_request_ctx.is_reused = True


def _session(allowed: Sequence[Network], connections: int, *, is_encrypted: bool) -> ClientSession:
    def guarded_socket(info: Any) -> socket.socket:
        # Check here too, because aiohttp does not call the resolver if the URL contains an IP address.
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
        # Set no timeout here. The deadline in `post` covers everything from name resolution to the last byte.
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
