"""The real processes of the engine, on a database and a Redis of their own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis.exceptions import RedisError

from lab.stack.servers import PostgresServer
from lab.stack.stack import Stack as LocalStack
from polling.schedule import keys
from polling.schedule.schedule import Schedule
from tests.support import template_database


def every(seconds: int) -> str:
    """Makes all cards that want the data usage check get it this often."""
    return f"UPDATE polling_pollingconfig SET carddata_check_interval = {seconds} WHERE carddata_check_interval > 0"


class Stack(LocalStack):
    """The local stack with a fleet, and with ways to harm it. `token` lets somebody use the API who may do everything.

    `made_so`: statements that change the fleet before it is planned.
    `fleet_of`: the fleet is the demo's of that moment, made from `seed`, with all that was read before; else nobody has read its cards yet, and without
    `real_names` their gateways are asked about their usage alone: what counts calls counts those.
    """

    template = template_database.DATABASE

    def __init__(
        self,
        folder: Path,
        cards: int,
        *made_so: str,
        fleet_of: datetime | None = None,
        seed: int = 1,
        real_names: bool = False,
        **settings: str,
    ) -> None:
        super().__init__(folder, **settings)
        self._calls: list[dict[str, Any]] = []
        of = [f"--now={fleet_of.isoformat()}"] if fleet_of else ["--unread"]
        checks = [] if fleet_of or real_names else ["--without-real-names"]
        changes = [f"--made-so={statement}" for statement in made_so]
        size = (f"--cards={cards}", f"--seed={seed}")
        print(f"\nseed of the fleet: {seed}")
        self.token = self.run("-m", "tests.support.faults.fleet", *size, *of, *checks, *changes).split()[-1]

    def new_postgres(self, folder: Path) -> PostgresServer:
        return template_database.copy(folder)

    def scheduled(self, check_type: str = "carddata") -> set[int]:
        """The cards that stand in a check's queue."""
        return {int(str(card)) for card in self.redis.zrange(keys.queue(check_type), 0, -1)}

    def let_pass(self, seconds: float) -> None:
        """Time; what dies meanwhile is started again."""
        ends = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= ends, seconds=seconds + 5, what="time passes")

    def make_all_due(self, check_type: str = "carddata") -> None:
        """Whatever is scheduled is due now; what is being asked about is asked about once more."""
        Schedule(self.redis, check_type).hasten([(card_id, 0.0) for card_id in self.scheduled(check_type)])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process, or its whole group when it is one of ours; the supervisor starts it again."""
        process = self.supervisor.process(name)
        os.killpg(process.pid, number)
        process.wait(20)

    def answers(self, name: str) -> bool:
        """Whether PostgreSQL or Valkey does."""
        try:
            return bool(self.rows("SELECT 1") if name == "postgresql" else self.redis.ping())
        except (RedisError, psycopg.OperationalError):
            return False

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

    def calls(self) -> list[dict[str, Any]]:
        """What the gateways were asked, and answered. What has been read of their log is not read again."""
        self._calls += self.simulator.calls(since=len(self._calls))
        return self._calls

    def calls_since(self, moment: datetime) -> list[dict[str, Any]]:
        """Those that began after `moment`."""
        return [call for call in self.calls() if datetime.fromisoformat(call["start"]) > moment]


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        # Some of PostgreSQL's children come and go.
        with suppress(ProcessLookupError):
            os.kill(process, number)


MakeStack = Callable[..., Stack]


@contextmanager
def maker_of_stacks(folder: Path) -> Iterator[MakeStack]:
    """Makes them below `folder`; they end with the block."""
    made: list[Stack] = []

    def make(cards: int, *made_so: str, **options: Any) -> Stack:
        made.append(Stack(folder, cards, *made_so, **options))
        return made[-1]

    try:
        yield make
    finally:
        for stack in made:
            stack.close()


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    with maker_of_stacks(tmp_path) as make:
        yield make
