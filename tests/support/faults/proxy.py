"""A TCP proxy to a local server. It can delay, reset or silently drop the traffic."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

LOCALHOST = "127.0.0.1"


class Proxy:
    """A proxy that runs in its own thread and forwards connections to the server that the URL `direct` names.

    Data is delayed by `delay_seconds` in each direction. A test may change the delay at any time. Example::

        with Proxy(redis_url) as network:
            client = Redis.from_url(network.url(redis_url))
            with network.down():
                ...
    """

    def __init__(self, direct: str) -> None:
        self.delay_seconds = 0.0
        self.is_down = False
        self._target, self._port = urlsplit(direct).port, 0
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server: asyncio.Server = self._run(asyncio.start_server(self._serve, LOCALHOST, 0))
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def url(self, direct: str) -> str:
        """Return the URL `direct` with the proxy's host and port in place of the server's."""
        parts = urlsplit(direct)
        host = f"{LOCALHOST}:{self._port}"
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}{host}"))

    def lead_to(self, direct: str) -> None:
        """Forward new connections to the server that `direct` names, and reset those that exist."""
        self._target = urlsplit(direct).port
        self.reset_connections()

    def reset_connections(self) -> None:
        self._loop.call_soon_threadsafe(self._abort_all)

    def black_hole(self) -> None:
        """From now on, drop everything sent over the existing connections, without closing them."""
        for link in list(self._links):
            link.is_black_hole = True

    @contextmanager
    def down(self) -> Iterator[None]:
        """Reset all connections now, and reset each new connection until the block ends."""
        self.is_down = True
        self.reset_connections()
        try:
            yield
        finally:
            self.is_down = False

    def _abort_all(self) -> None:
        for link in list(self._links):
            link.abort()

    async def _end(self) -> None:
        self._server.close()
        self._abort_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        link = Link(writer)
        self._links.add(link)
        try:
            server_reader, link.server = await asyncio.open_connection(LOCALHOST, self._target)
            await asyncio.gather(
                self._pump(link, reader, link.server), self._pump(link, server_reader, writer)
            )
        except OSError:
            # The server is down. The client learns of it when `finally` aborts the link.
            pass
        finally:
            self._links.discard(link)
            link.abort()

    async def _pump(self, link: "Link", source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if link.is_black_hole:
                    continue
                await asyncio.sleep(self.delay_seconds)
                sink.write(data)
                await sink.drain()
        # On a black-hole connection, neither side may notice that the other side has closed it.
        if not link.is_black_hole:
            sink.close()


class Link:
    """One forwarded connection, with its end at the client and its end at the server."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.is_black_hole = False
        self.client = client
        # A placeholder until the server is connected.
        self.server = client

    def abort(self) -> None:
        for end in (self.client, self.server):
            end.transport.abort()
