"""A network that can be bad: connections to a server of this machine go through it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

LOCALHOST = "127.0.0.1"


class Proxy:
    """Passes on what it gets, in a thread of its own. Its state may be changed while it runs."""

    def __init__(self, direct: str) -> None:
        """To the server that this URL is of."""
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
        """A URL of the same server, through this network."""
        parts = urlsplit(direct)
        host = f"{LOCALHOST}:{self._port}"
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}{host}"))

    def cut(self) -> None:
        """Reset all connections."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def swallow(self) -> None:
        """Nothing of what is sent over the present connections arrives any more, and neither side hears of it."""
        for link in list(self._links):
            link.is_swallowing = True

    @contextmanager
    def down(self) -> Iterator[None]:
        """All connections are reset, and there are no new ones."""
        self.is_down = True
        self.cut()
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
        for one in others:
            one.cancel()
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
            there, link.there = await asyncio.open_connection(LOCALHOST, self._target)
            await asyncio.gather(self._pump(link, reader, link.there), self._pump(link, there, writer))
        except OSError:
            # Its server is away; whoever connected hears of it.
            pass
        finally:
            self._links.discard(link)
            link.abort()

    async def _pump(self, link: "Link", source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if link.is_swallowing:
                    continue
                await asyncio.sleep(self.delay_seconds)
                sink.write(data)
                await sink.drain()
        # Over a network that swallows everything, nobody hears that the other side has hung up.
        if not link.is_swallowing:
            sink.close()


class Link:
    """One connection, by its two ends."""

    def __init__(self, here: asyncio.StreamWriter) -> None:
        self.is_swallowing = False
        self.here, self.there = here, here

    def abort(self) -> None:
        for end in (self.here, self.there):
            end.transport.abort()
