"""One benchmark run. The run controls the stack, holds the findings and is shared by all measures."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cards.models import CheckType
from lab.benchmark.extent import Extent
from lab.benchmark.findings import Findings
from lab.benchmark.process_stats import cpu_seconds
from lab.benchmark.rates import Done
from lab.stack.stack import ENGINE, Stack
from polling.models import TaskType
from polling.policy.defaults import LIMITS
from polling.schedule import keys
from polling.schedule.limits import slots_of

READY_SECONDS = 60
LATENESS_PAUSE_SECONDS = 600
USAGE_PATH = "/v1/usage"


@dataclass
class Run:
    """One run of the benchmark, on a demo fleet generated from `seed`.

    In a new fleet, the last reading of every card is 45 minutes old.

    Example::

        with private_stack(POLLING_SEED_RAMP_SECONDS="0") as stack:
            run = Run(stack, QUICK, seed=1)
            run.make_fleet(40_000)
            run.plan()
            run.engine_on()
    """

    stack: Stack
    extent: Extent
    seed: int
    findings: Findings = field(default_factory=Findings)
    _next_call: int = 0
    _engine_begun_at: datetime | None = None

    def make_fleet(self, cards: int) -> None:
        """Create the tables and `cards` cards, but don't plan the cards."""
        self.stack.run("-m", "lab.benchmark.prepare_fleet", str(cards), str(self.seed))

    def plan(self) -> float:
        """Plan every card by running `init_polling`, and return how many seconds the command took."""
        begun = time.monotonic()
        self.stack.manage("init_polling")
        return time.monotonic() - begun

    def scheduled(self, check_type: CheckType) -> list[int]:
        """Return the ids of the cards in a check type's queue, in the order in which they fall due."""
        return [int(str(card)) for card in self.stack.redis.zrange(keys.queue(check_type), 0, -1)]

    def allow(self, *check_types: CheckType, slots: Mapping[str, int] = LIMITS) -> None:
        """Allow only these check types, and stop all other check types by setting their limits to 0.

        `slots` maps a check type to the number of calls that may run at once.
        """
        for task_type in TaskType:
            limit = slots[task_type] if task_type.value in check_types else 0
            self.stack.rows(
                f"UPDATE polling_concurrencylimit SET max_concurrency = {limit} "
                f"WHERE task_type = '{task_type.value}' RETURNING id"
            )
            slots_of(self.stack.redis, task_type).set_limit(limit)

    def pause_lateness(self) -> None:
        """Keep the engine from measuring lateness for ten minutes.

        Measuring lateness reads every card, however few cards are checked. So it would distort the cost per
        check.
        """
        self.stack.redis.set(keys.LATENESS_RESTS, 1, ex=LATENESS_PAUSE_SECONDS)

    def engine_on(self) -> None:
        """Start the engine unless it is running, and wait until its workers are ready."""
        if self._engine_begun_at is None:
            self._engine_begun_at = datetime.now(UTC)
            self.stack.start_engine(with_background=True)
        self.stack.wait_until(self.workers_ready_at, seconds=READY_SECONDS, what="the workers are ready")

    def engine_off(self) -> None:
        """Stop the engine if it is running."""
        self.stack.stop_engine()
        self._engine_begun_at = None

    def workers_ready_at(self) -> datetime | None:
        """Return the time at which the last worker became ready, or None if a worker is not ready yet."""
        begun_at = self._engine_begun_at
        ready = [ready_at(self.stack.log(name)) for name in ("worker-checks", "worker-ticks")]
        moments = [moment for moment in ready if moment and begun_at and moment > begun_at]
        return max(moments) if len(moments) == len(ready) else None

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, and restart processes that die in the meantime."""
        ends = time.monotonic() + seconds
        self.stack.wait_until(lambda: time.monotonic() >= ends, seconds=seconds + 5, what="time passes")

    def new_calls(self) -> list[dict[str, Any]]:
        """Return the calls that the gateways have logged since this method was last used."""
        calls = self.stack.simulator.calls(self._next_call)
        if calls:
            self._next_call = calls[-1]["number"] + 1
        return calls

    def recorded(self, check_type: CheckType, since: datetime) -> Done:
        """Return pairs of a time and the number of cards that got their last good answer at that time.

        Only times from `since` on are included. A row keeps only the time of a card's last good answer, so
        earlier answers are not counted.
        """
        return self.stack.rows(
            "SELECT checked_at, count(*) FROM cards_checkstate "
            f"WHERE type = '{check_type.value}' AND checked_at >= '{since.isoformat()}' GROUP BY checked_at"
        )

    def now(self) -> datetime:
        """Return the present time by the database's clock."""
        moment: datetime = self.stack.rows("SELECT now()")[0][0]
        return moment

    def cpu(self, *workers: str) -> dict[str, float]:
        """Return the CPU seconds spent so far, by the keys `workers`, `postgresql`, `valkey` and `simulator`.

        The arguments are the names of the services to count as workers; the default is the engine's services.
        """
        pids = {kind: [self.stack.pid(kind)] for kind in ("postgresql", "valkey", "simulator")}
        return cpu_seconds({"workers": [self.stack.pid(name) for name in workers or ENGINE], **pids})

    @contextmanager
    def latency(self, milliseconds: int) -> Iterator[None]:
        """Make every call to a gateway take `milliseconds` during the block."""
        fault = {"path": "/c/", "kind": "latency", "milliseconds": milliseconds}
        self.stack.simulator.fault(**fault)
        try:
            yield
        finally:
            self.stack.simulator.fault(**fault, share=0)


def usage_answers(calls: list[dict[str, Any]]) -> Done:
    """Return a pair for each usage call among `calls`: the time of the answer and the number of cards."""
    return [
        (datetime.fromisoformat(call["end"]), len(call["cards"]))
        for call in calls
        if call["path"].endswith(USAGE_PATH)
    ]


def ready_at(log: str) -> datetime | None:
    """Return the time at which the worker that wrote this log last became ready, or None if it never did."""
    for line in reversed(log.splitlines()):
        if line.rstrip().endswith(" ready.") or " ready. " in line:
            return datetime.fromisoformat(line.split()[0]).astimezone(UTC)
    return None
