"""Asks components side by side, and waits for none longer than it is told to.

Each component has a thread of its own, so that one that hangs delays no other. A thread works on one question
at a time, and whoever asks meanwhile shares its answer: a server that is frozen for an hour costs one thread.
"""

from collections.abc import Iterable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final

import structlog
from django.db import close_old_connections, connections

from common.health.components import Component, Finding, explained
from common.outages import server_of

log = structlog.get_logger(__name__)


def examine(asked: Iterable[Component], *, milliseconds: int) -> dict[str, Finding]:
    """`{component: finding}` after `milliseconds` at the latest; what is late has not answered."""
    answers = {component: _prober(component).ask() for component in asked}
    wait(answers.values(), timeout=milliseconds / 1000)
    late = f"no answer within {milliseconds} ms"
    found = {
        component.name: answer.result() if answer.done() else Finding(component.silent, late)
        for component, answer in answers.items()
    }
    return explained(answers, found)


def stop() -> None:
    """End the threads that are idle, and close their connections: tests cannot drop a database that has any."""
    with _LOCK:
        while _PROBERS:
            _PROBERS.popitem()[1].stop()


class Prober:
    """The thread that asks one component. It keeps its connection to the database from question to question."""

    def __init__(self, component: Component) -> None:
        """Start it."""
        self._component = component
        self._lock = Lock()
        self._questions: SimpleQueue[Future[Finding] | None] = SimpleQueue()
        self._latest: Future[Finding] | None = None
        # A daemon: a server that hangs must not keep the process from ending.
        self._thread = Thread(target=self._work, name=f"probe-{component.name}", daemon=True)
        self._thread.start()

    def ask(self) -> Future[Finding]:
        """The answer to a new question, or to the one that is being asked."""
        with self._lock:
            if self._latest is None or self._latest.done():
                self._latest = Future()
                self._questions.put(self._latest)
            return self._latest

    def stop(self) -> None:
        """Let it end after the present question; waits a second for that."""
        self._questions.put(None)
        self._thread.join(1)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            question.set_result(self._answer())
        connections.close_all()

    def _answer(self) -> Finding:
        try:
            close_old_connections()
            return self._component.probe()
        except Exception as error:
            if server_of(error) is not None:
                return Finding(self._component.silent, "does not answer")
            log.exception("probe_failed", component=self._component.name)
            return Finding(self._component.silent, "its probe failed; the log says why")


_PROBERS: Final[dict[Component, Prober]] = {}
_LOCK: Final = Lock()


def _prober(component: Component) -> Prober:
    with _LOCK:
        if component not in _PROBERS:
            _PROBERS[component] = Prober(component)
        return _PROBERS[component]
