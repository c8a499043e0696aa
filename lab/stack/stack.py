"""All processes of Simwatch on servers of their own, for fault tests, benchmarks and drills."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import requests
from redis import Redis

from lab.simulator.remote import RunningSimulator
from lab.stack import processes
from lab.stack.bounds import undisturbed
from lab.stack.environment import fresh_variables
from lab.stack.servers import (
    LOCALHOST,
    Command,
    PostgresServer,
    ValkeyServer,
    free_port,
    make_folder,
    remove_folder,
)
from lab.stack.supervisor import Service, Supervisor, die_with_parent

ENGINE = ("worker-checks", "worker-ticks", "worker-background", "beat")
DATABASE = "stack"
COMMAND_SECONDS = 300
WEB_SECONDS = 60
LOG_TAIL = 2000


class StackError(Exception):
    """Something did not happen in time, or a command failed.

    The message ends with the last lines that the processes logged.
    """


class Stack:
    """PostgreSQL, Valkey, the gateway simulator, workers and beat, under the same supervisor as in `bin/up`.

    Logs, pid files and data go below `folder`; `settings` are environment variables. The constructor starts
    the servers and the simulator, `start_engine` and `start_web` start the rest, and `close` ends everything.
    Example::

        with private_stack(POLLING_SEED_RAMP_SECONDS="0") as stack:
            stack.manage("migrate")
            stack.start_engine()
            stack.wait_until(stack.simulator.calls, seconds=60, what="a call")
    """

    # The database that the stack's database is copied from. `template1` has no tables; a subclass may name a
    # database that has them.
    template = "template1"

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.supervisor = Supervisor(folder, say=lambda _: None)
        self._connection: psycopg.Connection | None = None
        try:
            self._start_servers()
            self._begin(settings)
        except BaseException:
            self._end()
            raise

    def new_postgres(self, folder: Path) -> PostgresServer:
        """Return a PostgreSQL server that keeps its data below `folder` and is not started yet."""
        return PostgresServer(folder, port=free_port(), password=secrets.token_hex(8))

    def empty(self) -> None:
        """Recreate the database from its template and empty Redis. No running process may be using them."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)".encode())
            admin.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {self.template}".encode())
        for name in ("REDIS_URL", "CELERY_BROKER_URL"):
            with Redis.from_url(self.variables[name]) as redis:
                redis.flushdb()

    def _start_servers(self) -> None:
        folder = make_folder(self.folder / "servers")
        self.postgres = self.new_postgres(folder)
        self.valkey = ValkeyServer(folder, port=free_port(), password=secrets.token_hex(8))
        for name, server in (("postgresql", self.postgres), ("valkey", self.valkey)):
            self.supervisor.start(Service(name, server.command, is_server=True))
            server.wait_until_ready()

    def _begin(self, settings: Mapping[str, str]) -> None:
        self.variables: dict[str, str] = {
            **fresh_variables(),
            # Leave both empty, so that this stack does not touch the operator's environment file and logs.
            "SIMWATCH_ENV_FILE": "",
            "LOG_DIR": "",
            "SIMWATCH_MODE": "local",
            "DATABASE_URL": self.postgres.url(DATABASE),
            "REDIS_URL": self.valkey.url(0),
            "CELERY_BROKER_URL": self.valkey.url(1),
            "LOG_LEVEL": "INFO",
            **settings,
        }
        self.redis = Redis.from_url(self.variables["REDIS_URL"], decode_responses=True)
        self.empty()
        self.simulator = RunningSimulator(int(self.variables["SIMULATOR_PORT"]))
        self.supervisor.start(processes.simulator(self.variables))

    def run(self, *arguments: str) -> str:
        """Run Python with `arguments` until it ends, and return its output. Raise StackError if it fails."""
        done = subprocess.run(
            (sys.executable, *arguments),
            env={**os.environ, **self.variables},
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        if done.returncode:
            raise StackError(f"{' '.join(arguments)} failed: {done.stderr[-LOG_TAIL:]}")
        return done.stdout

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py and return its output. Raise StackError if it fails."""
        return self.run("manage.py", *arguments)

    @contextmanager
    def running(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run Python with `arguments` during the block, and kill the process if it outlives the block.

        Its output goes to the log `name`. If the process fails by itself, raise StackError after the block.
        """
        log = self.folder / "logs" / f"{name}.log"
        environment = {**os.environ, **self.variables}
        process = Command((sys.executable, *arguments)).popen(
            log=log, environment=environment, before_exec=die_with_parent(signal.SIGKILL)
        )
        try:
            yield process
        finally:
            is_killed = process.poll() is None
            process.kill()
            process.wait()
        if process.returncode and not is_killed:
            raise StackError(f"{' '.join(arguments)} failed: {self.log(name)[-LOG_TAIL:]}")

    def start(self, name: str, *arguments: str) -> None:
        """Start Python with `arguments` as the service `name`. The supervisor restarts it if it dies."""
        self.supervisor.start(Service(name, Command((sys.executable, *arguments)), self.variables))

    def stop(self, *names: str) -> None:
        """Stop these services as an operator would. Ignore names of services that do not run."""
        self.supervisor.end(names)

    def start_engine(self, *, with_background: bool = False) -> None:
        """Start beat and the workers; start the worker for long tasks only if `with_background` is true."""
        for make in (processes.checks_worker, processes.ticks_worker, processes.beat):
            self.supervisor.start(make(self.variables))
        if with_background:
            self.supervisor.start(processes.background_worker(self.variables))

    def start_web(self) -> str:
        """Start the web process, wait until it answers, and return its URL.

        Raise StackError if it does not answer within a minute.
        """
        port = free_port()
        site = f"http://{LOCALHOST}:{port}"
        self.supervisor.start(processes.web({**self.variables, "WEB_PORT": str(port)}))

        def is_up() -> bool:
            with suppress(requests.RequestException):
                return requests.get(f"{site}/livez", timeout=1).ok
            return False

        self.wait_until(is_up, seconds=WEB_SECONDS, what="the web process answers")
        return site

    def stop_engine(self) -> None:
        """Stop beat and all workers."""
        self.stop(*ENGINE)

    def pid(self, name: str) -> int:
        """Return the process id of a service. Raise FileNotFoundError if the service was not started."""
        return int((self.folder / "pids" / name).read_text())

    def wait_until(self, condition: Callable[[], object], *, seconds: float, what: str) -> float:
        """Wait until `condition` returns a true value, and return how many seconds that took.

        While waiting, restart processes that die, as `bin/up` does. After `seconds`, raise StackError with a
        message that contains `what`, a description of the event that did not happen.
        """
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > seconds:
                raise StackError(f"this did not happen within {seconds} s: {what}\n{self.logs()}")
            self.supervisor.check()
            time.sleep(0.1)
        return time.monotonic() - started

    def log(self, name: str) -> str:
        """Return everything that a service has printed since the stack was created."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def logs(self) -> str:
        """Return the end of every log, up to 2,000 characters each."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-LOG_TAIL:]}"
            for log in (self.folder / "logs").iterdir()
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run one SQL statement that returns rows, and return them. An UPDATE needs RETURNING.

        The connection stays open, because signing in costs more than most statements. If PostgreSQL was
        restarted since the last call, the statement may run twice, so it must be safe to repeat.
        """
        if self._connection is not None:
            try:
                return list(self._connection.execute(query.encode()).fetchall())
            except psycopg.OperationalError:
                # A broken connection means that PostgreSQL was restarted or is down, so connect again.
                if not self._connection.broken:
                    raise
                self._sign_out()
        self._connection = psycopg.connect(
            self.variables["DATABASE_URL"], autocommit=True, prepare_threshold=None
        )
        return list(self._connection.execute(query.encode()).fetchall())

    def _sign_out(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """End all processes and delete the servers' data."""
        self.redis.close()
        self._end()

    def _end(self) -> None:
        self._sign_out()
        self.supervisor.stop()
        remove_folder(self.folder / "servers")


@contextmanager
def private_stack(**variables: str) -> Iterator[Stack]:
    """Run a stack in a temporary folder, with `variables` in its environment.

    After the block, close the stack and remove the folder.
    """
    with TemporaryDirectory(prefix="simwatch-stack-") as folder:
        # Set TMPDIR, so that temporary files of killed processes are removed together with the folder.
        stack = Stack(Path(folder), TMPDIR=folder, **variables)
        try:
            yield stack
        finally:
            with undisturbed():
                stack.close()
