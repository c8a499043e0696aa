"""The real processes of Simwatch on a database and a Redis of their own: for fault tests and benchmarks."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from redis import Redis

from carriers.simulator.remote import RunningSimulator
from config.local import processes
from config.local.environment import fresh_variables
from config.local.servers import (
    Command,
    PostgresServer,
    ValkeyServer,
    free_port,
    make_folder,
    remove_folder,
)
from config.local.supervisor import Service, Supervisor

DATABASE = "stack"
COMMAND_SECONDS = 300
LOG_TAIL = 2000


class StackError(Exception):
    """Something did not happen in time, or a command failed. The text ends with what the processes logged."""


@dataclass(frozen=True)
class Servers:
    """Where a PostgreSQL and a Redis are."""

    database_url: str
    redis_url: str


def at_database(url: str, name: str | int) -> str:
    """The same server's other database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class Stack:
    """Simulator, workers and beat, watched by the supervisor that `bin/up` uses. End it with `close`.

    Without `servers` it starts PostgreSQL and Valkey, too. Its database is made anew, and the Redis database
    `redis_database` and the next one, for the broker, are emptied. `settings` are environment variables.
    """

    def __init__(
        self,
        folder: Path,
        *,
        servers: Servers | None = None,
        database: str = DATABASE,
        redis_database: int = 0,
        is_durable: bool = True,
        **settings: str,
    ) -> None:
        """Logs, pid files and data go below `folder`. `is_durable=False` is for tests: see `PostgresServer`."""
        self.folder = folder
        self.supervisor = Supervisor(folder, say=lambda _: None)
        try:
            self._begin(servers or self._start_servers(is_durable), database, redis_database, settings)
        except BaseException:
            self._end()
            raise

    def _begin(
        self, servers: Servers, database: str, redis_database: int, settings: Mapping[str, str]
    ) -> None:
        self._servers, self._database = servers, database
        redis_url, broker_url = (
            at_database(servers.redis_url, number) for number in (redis_database, redis_database + 1)
        )
        self.variables: dict[str, str] = {
            **fresh_variables(),
            # What the operator's own stack has must not be read here.
            "SIMWATCH_ENV_FILE": "",
            "LOG_DIR": "",
            "SIMWATCH_MODE": "local",
            "DATABASE_URL": at_database(servers.database_url, database),
            "REDIS_URL": redis_url,
            "CELERY_BROKER_URL": broker_url,
            "LOG_LEVEL": "INFO",
            **settings,
        }
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.empty()
        self.simulator = RunningSimulator(int(self.variables["SIMULATOR_PORT"]))
        self.supervisor.start(processes.simulator(self.variables))

    def empty(self) -> None:
        """Make the database anew, without tables, and empty Redis. Nobody may be using them."""
        with psycopg.connect(self._servers.database_url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {self._database} WITH (FORCE)".encode())
            admin.execute(f"CREATE DATABASE {self._database}".encode())
        for name in ("REDIS_URL", "CELERY_BROKER_URL"):
            with Redis.from_url(self.variables[name]) as redis:
                redis.flushdb()

    def _start_servers(self, is_durable: bool) -> Servers:  # noqa: FBT001 (handed on by its only caller)
        folder = make_folder(self.folder / "servers")
        self.postgres = PostgresServer(folder, port=free_port(), password="p", is_durable=is_durable)  # noqa: S106
        self.valkey = ValkeyServer(folder, port=free_port(), password="v")  # noqa: S106
        for name, server in (("postgresql", self.postgres), ("valkey", self.valkey)):
            self.supervisor.start(Service(name, server.command, is_server=True))
            server.wait_until_ready()
        return Servers(self.postgres.url(), self.valkey.url(0))

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

    def stop_engine(self) -> None:
        """End workers and beat."""
        self.stop("beat", "worker-checks", "worker-ticks", "worker-background")

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
        """What PostgreSQL answers to one statement; an UPDATE must say RETURNING."""
        with psycopg.connect(self.variables["DATABASE_URL"], autocommit=True) as database:
            return list(database.execute(query.encode()).fetchall())

    def close(self) -> None:
        """End all processes, and throw the data away."""
        self.redis.close()
        self._end()

    def _end(self) -> None:
        self.supervisor.stop()
        remove_folder(self.folder / "servers")
