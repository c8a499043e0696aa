"""The real processes of the engine, on a database and a Redis of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from redis import Redis

from config.local import processes
from config.local.environment import fresh_variables
from config.local.servers import PostgresServer, ValkeyServer, free_port, make_folder, remove_folder
from config.local.supervisor import Service, Supervisor
from polling.store import keys
from polling.store.schedule import Schedule
from tests.gateway import RunningSimulator

DATABASE = "faults"
REDIS_DATABASE = 4


def at_database(url: str, name: str | int) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class Stack:
    """Simulator, workers and beat, watched by the supervisor that `bin/up` uses.

    `own_servers`: also PostgreSQL and Valkey, so that they can be killed. `fleet_of`: the fleet is the demo's of
    that moment, made from `seed`, with all that was read before; else nobody has read its cards yet, and without
    `real_names` their gateways are asked about their usage alone: what counts calls counts those.
    """

    def __init__(
        self,
        folder: Path,
        cards: int,
        *,
        own_servers: bool = False,
        fleet_of: datetime | None = None,
        seed: int = 1,
        real_names: bool = False,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.supervisor = Supervisor(folder, say=lambda _: None)
        url, redis_url = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
        if own_servers:
            url, redis_url = self._start_servers()
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
        self.simulator = RunningSimulator(int(self.variables["SIMULATOR_PORT"]))
        self.supervisor.start(processes.simulator(self.variables))
        if fleet_of:
            self._make_fleet(cards, fleet_of, seed)
        else:
            self._run("-m", "config.local.prepare", str(cards))
            if not real_names:
                self.rows("UPDATE polling_pollingconfig SET realname_check_interval = NULL RETURNING id")
            self._forget_readings()

    def _make_fleet(self, cards: int, moment: datetime, seed: int) -> None:
        self.manage("migrate", "--verbosity=0")
        self.manage("generate_cards", f"--count={cards}", f"--seed={seed}", f"--now={moment.isoformat()}")
        self.manage("init_polling")

    def _forget_readings(self) -> None:
        """A fleet that nobody has read yet: what is read is read here."""
        for table in ("cards_checkstate", "cards_cardusage"):
            self.rows(f"DELETE FROM {table} RETURNING card_id")
        self.redis.flushdb()
        self.manage("init_polling")

    def _start_servers(self) -> tuple[str, str]:
        folder = make_folder(self.folder / "servers")
        self.postgres = PostgresServer(folder, port=free_port(), password="p", is_durable=False)
        self.valkey = ValkeyServer(folder, port=free_port(), password="v")
        for name, server in (("postgresql", self.postgres), ("valkey", self.valkey)):
            self.supervisor.start(Service(name, server.command, is_server=True))
            server.wait_until_ready()
        return self.postgres.url(), self.valkey.url(0)

    def _run(self, *arguments: str) -> str:
        environment = {**os.environ, **self.variables}
        done = subprocess.run(
            (sys.executable, *arguments), env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def manage(self, *arguments: str) -> str:
        """Run a command; returns what it prints."""
        return self._run("manage.py", *arguments)

    def start_engine(self, *, with_background: bool = False) -> None:
        for make in (processes.checks_worker, processes.ticks_worker, processes.beat):
            self.supervisor.start(make(self.variables))
        if with_background:
            self.supervisor.start(processes.background_worker(self.variables))

    def check_every(self, seconds: int) -> None:
        """All cards that want the data usage check get it this often."""
        self.rows(
            f"UPDATE polling_pollingconfig SET carddata_check_interval = {seconds} "
            "WHERE carddata_check_interval > 0 RETURNING id"
        )
        self.manage("init_polling")

    def scheduled(self, check_type: str = "carddata") -> set[int]:
        """The cards that stand in a check's queue."""
        return {int(str(card)) for card in self.redis.zrange(keys.queue(check_type), 0, -1)}

    def make_all_due(self, check_type: str = "carddata") -> None:
        """Whatever is scheduled is due now; what is being asked about is asked about once more."""
        Schedule(self.redis, check_type).hasten([(card_id, 0.0) for card_id in self.scheduled(check_type)])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process, or its whole group when it is one of ours; the supervisor starts it again."""
        process = self.supervisor.process(name)
        os.killpg(process.pid, number)
        process.wait(20)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A server of our own takes connections, but does nothing until it is woken."""
        pid = self.pid(name)
        # PostgreSQL's children lead groups of their own.
        family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        try:
            _signal(family, signal.SIGSTOP)
            yield
        finally:
            _signal(family, signal.SIGCONT)

    def calls_since(self, moment: datetime) -> list[dict[str, Any]]:
        """What the gateway was asked after `moment`, and answered."""
        return [call for call in self.simulator.calls() if datetime.fromisoformat(call["start"]) > moment]

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

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.variables["DATABASE_URL"], autocommit=True) as database:
            return list(database.execute(query.encode()).fetchall())

    def close(self) -> None:
        self.supervisor.stop()
        self.redis.close()
        remove_folder(self.folder / "servers")


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        # Some of PostgreSQL's children come and go.
        with suppress(ProcessLookupError):
            os.kill(process, number)


MakeStack = Callable[..., Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    made: list[Stack] = []

    def make(cards: int, **options: Any) -> Stack:
        made.append(Stack(tmp_path, cards, **options))
        return made[-1]

    yield make
    for stack in made:
        stack.close()
