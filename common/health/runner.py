"""Run health checks side by side, and wait for none of them longer than a given time.

Each component has a thread of its own, so a check that hangs delays no other. A thread runs one check at a
time and callers that come meanwhile share its result: a server that is frozen for an hour blocks a single
thread.
"""

from collections.abc import Iterable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final

import structlog
from django.db import close_old_connections, connections

from common.health.components import Component, Finding, with_dependencies
from common.outages import server_of

log = structlog.get_logger(__name__)


def examine(components: Iterable[Component], *, milliseconds: int) -> dict[str, Finding]:
    """Return `{component: finding}` within `milliseconds`. A later answer does not count."""
    results = {component: _thread_of(component).request() for component in components}
    wait(results.values(), timeout=milliseconds / 1000)
    late = f"no answer within {milliseconds} ms"
    findings = {
        component.name: result.result() if result.done() else Finding(component.level_if_silent, late)
        for component, result in results.items()
    }
    return with_dependencies(results, findings)


def stop() -> None:
    """End idle threads and close their connections: tests cannot drop a database while it has any."""
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
        # A daemon thread: a server that hangs must not keep the process from ending.
        self._thread = Thread(target=self._work, name=f"health-{component.name}", daemon=True)
        self._thread.start()

    def request(self) -> Future[Finding]:
        """Return the result of a new check, or of the check that is running."""
        with self._lock:
            if self._latest is None or self._latest.done():
                self._latest = Future()
                self._requests.put(self._latest)
            return self._latest

    def stop(self) -> None:
        """End the thread after its current check; wait for that for at most a second."""
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
                return Finding(self._component.level_if_silent, "does not answer")
            log.exception("probe_failed", component=self._component.name)
            return Finding(self._component.level_if_silent, "its health check failed; see the log")


_THREADS: Final[dict[Component, CheckThread]] = {}
_LOCK: Final = Lock()


def _thread_of(component: Component) -> CheckThread:
    with _LOCK:
        if component not in _THREADS:
            _THREADS[component] = CheckThread(component)
        return _THREADS[component]
