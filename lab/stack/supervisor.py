"""The supervisor of the local stack. It restarts processes that die, and stops all of them together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.stack.servers import Command

POLL_SECONDS = 0.2
RESTART_SECONDS = 1.0
# How long processes may take to stop before they are killed. The servers stop last, so that the other
# processes can still store their results.
GRACE_SECONDS = 6.0
SERVER_GRACE_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Service:
    """One process of the stack. Services with `is_server` are stopped after all others."""

    name: str
    command: Command
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_server: bool = False


class Supervisor:
    """A supervisor that starts services, restarts those that die, and stops all of them.

    Logs and pid files go below `folder`. `say` is called with each message for the user. Example::

        supervisor = Supervisor(Path(".run"), say=print)
        supervisor.start(Service("beat", Command(("celery", "beat"))))
        supervisor.run()
    """

    def __init__(self, folder: Path, *, say: Callable[[str], None]) -> None:
        self._logs = folder / "logs"
        self._pids = folder / "pids"
        self._say = say
        self._running: dict[str, tuple[Service, subprocess.Popen[bytes]]] = {}
        self._retry_at: dict[str, float] = {}
        self._stopping = False
        for path in (self._logs, self._pids):
            path.mkdir(parents=True, exist_ok=True)

    def start(self, service: Service) -> None:
        log = self._logs / f"{service.name}.log"
        process = _popen(service, log)
        self._running[service.name] = (service, process)
        (self._pids / service.name).write_text(f"{process.pid}\n")

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """Return the current process of a service."""
        return self._running[name][1]

    def ask_to_stop(self, *_: object) -> None:
        """Make `run` return soon. It can be used as a signal handler."""
        self._stopping = True

    @property
    def is_stopping(self) -> bool:
        """Whether `ask_to_stop` was called."""
        return self._stopping

    def run(self) -> None:
        """Keep the services running until `ask_to_stop` is called."""
        while not self._stopping:
            self.check()
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Restart each dead service a second after its death was noticed.

        Without this pause, a broken service would be restarted several times a second.
        """
        now = time.monotonic()
        for name, (service, process) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            if name not in self._retry_at:
                self._retry_at[name] = now + RESTART_SECONDS
                self._say(f"{name} ended ({_ending(code)}); restarting it. Log: {self._logs / name}.log")
            elif now >= self._retry_at[name]:
                del self._retry_at[name]
                self.start(service)

    def end(self, names: Collection[str]) -> None:
        """Stop these services and do not restart them. Ignore names of services that do not run."""
        ended = [self._running.pop(name) for name in names if name in self._running]
        for service, _ in ended:
            self._retry_at.pop(service.name, None)
            (self._pids / service.name).unlink(missing_ok=True)
        _end(ended, GRACE_SECONDS)

    def stop(self) -> None:
        """Stop the clients of the servers first, then the servers. This takes less than ten seconds."""
        clients = [pair for pair in self._running.values() if not pair[0].is_server]
        servers = [pair for pair in self._running.values() if pair[0].is_server]
        _end(clients, GRACE_SECONDS)
        _end(servers, SERVER_GRACE_SECONDS)
        for name in self._running:
            (self._pids / name).unlink(missing_ok=True)


def _popen(service: Service, log: Path) -> subprocess.Popen[bytes]:
    return service.command.popen(
        log=log,
        environment={**os.environ, **service.environment},
        before_exec=die_with_parent(service.command.stop_signal),
    )


def die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes the child receive `stop_signal` when its parent dies, even by SIGKILL.

    Return None on systems other than Linux, because this needs PR_SET_PDEATHSIG of prctl(2).
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal))

    return before_exec


def _end(pairs: Sequence[tuple[Service, subprocess.Popen[bytes]]], grace: float) -> None:
    for service, process in pairs:
        if process.poll() is None:
            process.send_signal(service.command.stop_signal)
    deadline = time.monotonic() + grace
    for _, process in pairs:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill_group(process.pid)
            process.wait()


def _kill_group(pid: int) -> None:
    # Each service leads a process group. Kill the whole group, so that no children outlive a worker.
    os.killpg(pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
