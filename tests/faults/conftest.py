"""The real processes of the engine, on a database and a Redis of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from redis import Redis

from config.local import processes
from config.local.environment import fresh_variables
from config.local.supervisor import Supervisor
from tests.gateway import RunningSimulator

DATABASE = "faults"
REDIS_DATABASE = 4


def at_database(url: str, name: str | int) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class Stack:
    """Simulator, workers and beat, watched by the supervisor that `bin/up` uses."""

    def __init__(self, folder: Path, cards: int, **settings: str) -> None:
        url, redis_url = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {DATABASE}")
        self.variables = {
            **fresh_variables(),
            "SIMWATCH_MODE": "local",
            "DATABASE_URL": at_database(url, DATABASE),
            "REDIS_URL": at_database(redis_url, REDIS_DATABASE),
            "CELERY_BROKER_URL": at_database(redis_url, REDIS_DATABASE + 1),
            "LOG_LEVEL": "INFO",
            **settings,
        }
        self.redis = Redis.from_url(self.variables["REDIS_URL"], decode_responses=True)
        for number in (REDIS_DATABASE, REDIS_DATABASE + 1):
            with Redis.from_url(at_database(redis_url, number)) as empty:
                empty.flushdb()
        self.folder = folder
        self.simulator = RunningSimulator(int(self.variables["SIMULATOR_PORT"]))
        self.supervisor = Supervisor(folder, say=lambda _: None)
        self.supervisor.start(processes.simulator(self.variables))
        self._run("-m", "config.local.prepare", str(cards))
        self.database = psycopg.connect(self.variables["DATABASE_URL"], autocommit=True)

    def _run(self, *arguments: str) -> None:
        environment = {**os.environ, **self.variables}
        subprocess.run((sys.executable, *arguments), env=environment, check=True, capture_output=True)

    def manage(self, *arguments: str) -> None:
        self._run("manage.py", *arguments)

    def start_engine(self) -> None:
        for make in (processes.checks_worker, processes.ticks_worker, processes.beat):
            self.supervisor.start(make(self.variables))

    def pid(self, name: str) -> int:
        return int((self.folder / "pids" / name).read_text())

    def wait_until(self, is_so: Callable[[], object], *, seconds: float, what: str) -> float:
        """Restart what dies meanwhile, as `bin/up` does; returns how long it took."""
        started = time.monotonic()
        while not is_so():
            if time.monotonic() - started > seconds:
                pytest.fail(f"not within {seconds} s: {what}\n{self.logs()}")
            self.supervisor.check()
            time.sleep(0.1)
        return time.monotonic() - started

    def logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text()[-2000:]}" for log in (self.folder / "logs").iterdir()
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return list(self.database.execute(query.encode()).fetchall())

    def close(self) -> None:
        self.supervisor.stop()
        self.database.close()
        self.redis.close()


MakeStack = Callable[..., Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    made: list[Stack] = []

    def make(cards: int, **settings: str) -> Stack:
        made.append(Stack(tmp_path, cards, **settings))
        return made[-1]

    yield make
    for stack in made:
        stack.close()
