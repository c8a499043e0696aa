"""Fixtures that start real processes of the engine, with their own PostgreSQL and Valkey."""

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
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
from tests.support.faults import tracebacks


def data_usage_every(seconds: int) -> str:
    """Return the SQL that sets the interval of data usage checks in all configs that have this check."""
    return f"UPDATE polling_pollingconfig SET carddata_check_interval = {seconds} WHERE carddata_check_interval > 0"


class Stack(LocalStack):
    """A local stack with a given number of cards, and with methods that cause faults.

    The cards are generated from `seed`, like those of the demo. `statements` are SQL that is run before the
    cards are scheduled. `settings` are environment variables. `token` is an administrator's API token.

    With `fleet_at`, the cards are generated as of that moment, with all earlier readings. Without `fleet_at`,
    no card has been read, and the real-name check is off unless `real_names` is true, so that tests which
    count calls see only data usage calls. Example::

        def test_it(make_stack: MakeStack) -> None:
            stack = make_stack(300, data_usage_every(30), POLLING_SEED_RAMP_SECONDS="0")
            stack.start_engine()
            stack.wait_until(stack.calls, seconds=60, what="a call")
            stack.kill("worker-checks")
    """

    template = template_database.DATABASE

    def __init__(
        self,
        folder: Path,
        cards: int,
        *statements: str,
        fleet_at: datetime | None = None,
        seed: int = 1,
        real_names: bool = False,
        **settings: str,
    ) -> None:
        super().__init__(folder, **settings)
        self._calls: list[dict[str, Any]] = []
        options = [f"--cards={cards}", f"--seed={seed}"]
        options += [f"--now={fleet_at.isoformat()}"] if fleet_at else ["--unread"]
        options += [] if fleet_at or real_names else ["--without-real-names"]
        options += [f"--statement={statement}" for statement in statements]
        print(f"\nseed of the fleet: {seed}")
        self.token = self.run("-m", "tests.support.faults.fleet", *options).split()[-1]

    def new_postgres(self, folder: Path) -> PostgresServer:
        return template_database.copy(folder)

    def scheduled(self, check_type: str = "carddata") -> set[int]:
        """Return the ids of the cards that are scheduled for `check_type`."""
        return {int(str(card)) for card in self.redis.zrange(keys.queue(check_type), 0, -1)}

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, and restart processes that die during that time."""
        ends = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= ends, seconds=seconds + 5, what="time passes")

    def make_all_due(self, check_type: str = "carddata") -> None:
        """Make every scheduled card due now. A card that is being checked is checked once more afterwards."""
        self.make_due(check_type, self.scheduled(check_type))

    def make_due(self, check_type: str, cards: Collection[int]) -> None:
        """Make these cards due now."""
        Schedule(self.redis, check_type).hasten([(card_id, 0.0) for card_id in cards])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a service's process group and wait until it has ended. The supervisor restarts it later."""
        process = self.supervisor.process(name)
        os.killpg(process.pid, number)
        process.wait(20)

    def answers(self, name: str) -> bool:
        """Return whether the server `name` (`postgresql` or `valkey`) answers."""
        try:
            return bool(self.rows("SELECT 1") if name == "postgresql" else self.redis.ping())
        except (RedisError, psycopg.OperationalError):
            return False

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Freeze a server until the block ends. The kernel still accepts connections, but nothing answers."""
        pid = self.pid(name)
        # PostgreSQL's children have their own process groups, so a signal to the server's group misses them.
        processes = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        try:
            _signal(processes, signal.SIGSTOP)
            yield
        finally:
            _signal(processes, signal.SIGCONT)

    def calls(self) -> list[dict[str, Any]]:
        """Return all calls to the gateways so far. Only the new entries of the call log are read."""
        self._calls += self.simulator.calls(since=len(self._calls))
        return self._calls

    def calls_since(self, moment: datetime) -> list[dict[str, Any]]:
        """Return the calls that began after `moment`."""
        return [call for call in self.calls() if datetime.fromisoformat(call["start"]) > moment]


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        # A child of PostgreSQL may have ended since the list of processes was read.
        with suppress(ProcessLookupError):
            os.kill(process, number)


MakeStack = Callable[..., Stack]


@contextmanager
def stack_factory(folder: Path) -> Iterator[MakeStack]:
    """Yield a function that creates stacks in `folder`. Close these stacks when the `with` block ends.

    Then fail if a process has logged a traceback that docs/operations.md does not name.
    """
    made: list[Stack] = []

    def make(cards: int, *statements: str, **options: Any) -> Stack:
        made.append(Stack(folder, cards, *statements, **options))
        return made[-1]

    try:
        yield make
    finally:
        for stack in made:
            stack.close()
    for log in sorted((folder / "logs").glob("*.log")):
        assert list(tracebacks.unexplained(log.read_text(errors="replace"))) == [], log.name


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    with stack_factory(tmp_path) as make:
        yield make
