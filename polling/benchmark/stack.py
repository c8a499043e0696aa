"""What the benchmark needs of the local stack. `settings.LOCAL_STACK` names who offers it: see ADR 19."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string
from redis import Redis

from carriers.simulator.remote import RunningSimulator
from polling.benchmark.bounds import undisturbed

ENGINE = ("worker-checks", "worker-ticks", "worker-background", "beat")


class Stack(Protocol):
    """Real PostgreSQL, Valkey, simulator, workers and beat."""

    variables: dict[str, str]
    redis: Redis
    simulator: RunningSimulator

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py."""
        ...

    def run(self, *arguments: str) -> str:
        """Run Python to its end."""
        ...

    def start(self, name: str, *arguments: str) -> None:
        """Start Python as a service."""
        ...

    def stop(self, *names: str) -> None:
        """End services."""
        ...

    def start_engine(self, *, with_background: bool = False) -> None:
        """Start workers and beat."""
        ...

    def stop_engine(self) -> None:
        """End workers and beat."""
        ...

    def start_web(self) -> str:
        """Start admin and API; returns their address."""
        ...

    def empty(self) -> None:
        """Throw all data away."""
        ...

    def pid(self, name: str) -> int:
        """The process of a service."""
        ...

    def log(self, name: str) -> str:
        """What a service has printed."""
        ...

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL."""
        ...

    def wait_until(self, is_so: Callable[[], object], *, seconds: float, what: str) -> float:
        """Wait; raises when it does not happen."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


@contextmanager
def private_stack(**variables: str) -> Iterator[Stack]:
    """A stack with servers of its own, in a folder of its own; neither is left. `variables` are its settings."""
    make = cast("Callable[..., Stack]", import_string(settings.LOCAL_STACK))
    with TemporaryDirectory(prefix="simwatch-benchmark-") as folder:
        # What its processes leave when they are killed goes with the folder.
        stack = make(Path(folder), TMPDIR=folder, **variables)
        try:
            yield stack
        finally:
            with undisturbed():
                stack.close()
