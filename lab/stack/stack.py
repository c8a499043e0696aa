"""The real processes of Simwatch on a database and a Redis of their own: for fault tests and benchmarks."""

import os
import secrets
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
from lab.stack.supervisor import Service, Supervisor

ENGINE = ("worker-checks", "worker-ticks", "worker-background", "beat")
DATABASE = "stack"
COMMAND_SECONDS = 300
WEB_SECONDS = 60
LOG_TAIL = 2000


class StackError(Exception):
    """Something did not happen in time, or a command failed. The text ends with what the processes logged."""


class Stack:
    """PostgreSQL, Valkey, simulator, workers and beat, watched by the supervisor that `bin/up` uses. End it with `close`.

    `settings` are environment variables.
    """

    # What its database is made as a copy of: PostgreSQL's own is empty.
    template = "template1"

    def __init__(self, folder: Path, **settings: str) -> None:
        """Logs, pid files and data go below `folder`."""
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
        """A server with its data below `folder`, not yet started."""
        return PostgresServer(folder, port=free_port(), password=secrets.token_hex(8))

    def empty(self) -> None:
        """Make the database anew, as its template is, and empty Redis. Nobody may be using them."""
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
            # What the operator's own stack has must not be read here.
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
        """Run Python with `arguments` to its end; returns what it prints. Raises StackError."""
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
        """Run a command of manage.py; returns what it prints."""
        return self.run("manage.py", *arguments)

    def start(self, name: str, *arguments: str) -> None:
        """Start a process of our own, Python with `arguments`; it is started again when it dies."""
        self.supervisor.start(Service(name, Command((sys.executable, *arguments)), self.variables))

    def stop(self, *names: str) -> None:
        """End processes, as an operator does; those that do not run are passed over."""
        self.supervisor.end(names)

    def start_engine(self, *, with_background: bool = False) -> None:
        """Start workers and beat."""
        for make in (processes.checks_worker, processes.ticks_worker, processes.beat):
            self.supervisor.start(make(self.variables))
        if with_background:
            self.supervisor.start(processes.background_worker(self.variables))

    def start_web(self) -> str:
        """Start admin and API; returns their address, which answers by now."""
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
        """End workers and beat."""
        self.stop(*ENGINE)

    def pid(self, name: str) -> int:
        """The id of the process that runs a service."""
        return int((self.folder / "pids" / name).read_text())

    def wait_until(self, is_so: Callable[[], object], *, seconds: float, what: str) -> float:
        """Restart what dies meanwhile, as `bin/up` does; returns how long it took. Raises StackError."""
        started = time.monotonic()
        while not is_so():
            if time.monotonic() - started > seconds:
                raise StackError(f"not within {seconds} s: {what}\n{self.logs()}")
            self.supervisor.check()
            time.sleep(0.1)
        return time.monotonic() - started

    def log(self, name: str) -> str:
        """All that a service has printed."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def logs(self) -> str:
        """The last lines of everybody."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-LOG_TAIL:]}"
            for log in (self.folder / "logs").iterdir()
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What PostgreSQL answers to one statement; an UPDATE must say RETURNING, and bear to be made twice.

        By a connection that lasts: to sign in costs more than most statements do.
        """
        if self._connection is not None:
            try:
                return list(self._connection.execute(query.encode()).fetchall())
            except psycopg.OperationalError:
                # PostgreSQL has been restarted meanwhile, or is away.
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
        """End all processes, and throw the data away."""
        self.redis.close()
        self._end()

    def _end(self) -> None:
        self._sign_out()
        self.supervisor.stop()
        remove_folder(self.folder / "servers")


@contextmanager
def private_stack(**variables: str) -> Iterator[Stack]:
    """Run a stack with servers and a folder of its own, and remove both at the end. `variables` are its settings."""
    with TemporaryDirectory(prefix="simwatch-stack-") as folder:
        # Files that killed processes leave behind go with the folder.
        stack = Stack(Path(folder), TMPDIR=folder, **variables)
        try:
            yield stack
        finally:
            with undisturbed():
                stack.close()
