"""Run health checks in parallel with a time limit.

Each component has its own thread, so a check that hangs does not delay the others. A thread runs one check at
a time, and callers that arrive during a check share its result. So a server that is frozen for an hour blocks
only one thread, however often its health is requested.
"""

from collections.abc import Iterable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final

import structlog
from django.db import close_old_connections, connections

from common.health.components import Component, Finding, with_dependencies
from common.outages import reason_of, server_of

log = structlog.get_logger(__name__)


def examine(components: Iterable[Component], *, milliseconds: int) -> dict[str, Finding]:
    """Return `{component name: finding}` within `milliseconds`.

    If a check takes longer, the component gets the level `level_if_silent`.
    """
    results = {component: _thread_of(component).request() for component in components}
    wait(results.values(), timeout=milliseconds / 1000)
    late = f"no answer within {milliseconds} ms"
    findings = {
        component.name: result.result() if result.done() else Finding(component.level_if_silent, late)
        for component, result in results.items()
    }
    return with_dependencies(results, findings)


def stop() -> None:
    """End all threads, which closes their database connections.

    Tests call this, because PostgreSQL does not drop a database while it has connections.
    """
    with _LOCK:
        while _THREADS:
            _THREADS.popitem()[1].stop()


class CheckThread:
    """The thread that runs one component's health check. It keeps its database connection between checks."""

    def __init__(self, component: Component) -> None:
        self._component = component
        self._lock = Lock()
        self._requests: SimpleQueue[Future[Finding] | None] = SimpleQueue()
        self._latest: Future[Finding] | None = None
        # Use a daemon thread, because otherwise a check that hangs would keep this process from exiting.
        self._thread = Thread(target=self._work, name=f"health-{component.name}", daemon=True)
        self._thread.start()

    def request(self) -> Future[Finding]:
        """Return a future for the finding. Start a new check unless one is already running."""
        with self._lock:
            if self._latest is None or self._latest.done():
                self._latest = Future()
                self._requests.put(self._latest)
            return self._latest

    def stop(self) -> None:
        """Tell the thread to end after its current check, and wait up to one second until it has ended."""
        self._requests.put(None)
        self._thread.join(1)

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            request.set_result(self._check())
        connections.close_all()

    def _check(self) -> Finding:
        try:
            close_old_connections()
            return self._component.check()
        except Exception as error:
            if server_of(error) is not None:
                level, reason = self._component.level_if_silent, reason_of(error)
                return Finding.of_refusal(level, reason) if reason else Finding(level, "does not answer")
            log.exception("probe_failed", component=self._component.name)
            return Finding(self._component.level_if_silent, "its health check failed; see the log")


_THREADS: Final[dict[Component, CheckThread]] = {}
_LOCK: Final = Lock()


def _thread_of(component: Component) -> CheckThread:
    with _LOCK:
        if component not in _THREADS:
            _THREADS[component] = CheckThread(component)
        return _THREADS[component]
