"""What all measures of one run share: the stack, its fleet, and where the findings go."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cards.models import CheckType
from lab.benchmark.extent import Extent
from lab.benchmark.findings import Findings
from lab.benchmark.proc import cpu_seconds
from lab.benchmark.rates import Done
from lab.stack.stack import ENGINE, Stack
from polling.models import TaskType
from polling.policy.defaults import LIMITS
from polling.schedule import keys
from polling.schedule.limits import slots_of

READY_SECONDS = 60
LATENESS_RESTS_SECONDS = 600
USAGE_PATH = "/v1/usage"


@dataclass
class Run:
    """One run of the benchmark. Its cards are the demo's, made from `seed`; nobody has read them for 45 minutes."""

    stack: Stack
    extent: Extent
    seed: int
    findings: Findings = field(default_factory=Findings)
    _next_call: int = 0
    _engine_begun_at: datetime | None = None

    def make_fleet(self, cards: int) -> None:
        """Make the tables and the cards. They are not planned yet."""
        self.stack.run("-m", "lab.benchmark.preparing", str(cards), str(self.seed))

    def plan(self) -> float:
        """Plan every card; returns the seconds that `init_polling` took."""
        begun = time.monotonic()
        self.stack.manage("init_polling")
        return time.monotonic() - begun

    def scheduled(self, task_type: TaskType) -> list[int]:
        """The cards that stand in a check's queue, those first that are due first."""
        return [int(str(card)) for card in self.stack.redis.zrange(keys.queue(task_type), 0, -1)]

    def allow(self, *task_types: TaskType, slots: Mapping[TaskType, int] = LIMITS) -> None:
        """Let only these run, with as many calls at once as `slots` says; the others are paused."""
        for task_type in TaskType:
            limit = slots[task_type] if task_type in task_types else 0
            self.stack.rows(
                f"UPDATE polling_concurrencylimit SET max_concurrency = {limit} "
                f"WHERE task_type = '{task_type.value}' RETURNING id"
            )
            slots_of(self.stack.redis, task_type).set_limit(limit)

    def let_lateness_rest(self) -> None:
        """All cards are looked at every few minutes to see how late they are: a matter of time, not of checks."""
        self.stack.redis.set(keys.LATENESS_RESTS, 1, ex=LATENESS_RESTS_SECONDS)

    def engine_on(self) -> None:
        """Start the engine, unless it runs, and wait until its workers answer."""
        if self._engine_begun_at is None:
            self._engine_begun_at = datetime.now(UTC)
            self.stack.start_engine(with_background=True)
        self.stack.wait_until(self.workers_ready_at, seconds=READY_SECONDS, what="the workers are ready")

    def engine_off(self) -> None:
        """End the engine, if it runs."""
        self.stack.stop_engine()
        self._engine_begun_at = None

    def workers_ready_at(self) -> datetime | None:
        """When the last of the workers said that it is ready; None: not all of them have."""
        begun_at = self._engine_begun_at
        ready = [ready_at(self.stack.log(name)) for name in ("worker-checks", "worker-ticks")]
        moments = [moment for moment in ready if moment and begun_at and moment > begun_at]
        return max(moments) if len(moments) == len(ready) else None

    def wait(self, seconds: float) -> None:
        """Let time pass; what dies meanwhile is started again."""
        ends = time.monotonic() + seconds
        self.stack.wait_until(lambda: time.monotonic() >= ends, seconds=seconds + 5, what="time passes")

    def new_calls(self) -> list[dict[str, Any]]:
        """What the gateways were asked since this was last called, by their own log."""
        calls = self.stack.simulator.calls(self._next_call)
        if calls:
            self._next_call = calls[-1]["number"] + 1
        return calls

    def recorded(self, check_type: CheckType, since: datetime) -> Done:
        """When cards got their last good answer, by their rows."""
        return self.stack.rows(
            "SELECT checked_at, count(*) FROM cards_checkstate "
            f"WHERE type = '{check_type.value}' AND checked_at >= '{since.isoformat()}' GROUP BY checked_at"
        )

    def now(self) -> datetime:
        """By the database's clock."""
        moment: datetime = self.stack.rows("SELECT now()")[0][0]
        return moment

    def cpu(self, *workers: str) -> dict[str, float]:
        """Seconds of CPU so far: of these services as the workers, and of everybody they need."""
        pids = {kind: [self.stack.pid(kind)] for kind in ("postgresql", "valkey", "simulator")}
        return cpu_seconds({"workers": [self.stack.pid(name) for name in workers or ENGINE], **pids})

    @contextmanager
    def latency(self, milliseconds: int) -> Iterator[None]:
        """Let every call take so long."""
        fault = {"path": "/c/", "kind": "latency", "milliseconds": milliseconds}
        self.stack.simulator.fault(**fault)
        try:
            yield
        finally:
            self.stack.simulator.fault(**fault, share=0)


def asked(calls: list[dict[str, Any]]) -> Done:
    """When how many cards' usage was answered."""
    return [
        (datetime.fromisoformat(call["end"]), len(call["cards"]))
        for call in calls
        if call["path"].endswith(USAGE_PATH)
    ]


def ready_at(log: str) -> datetime | None:
    """When a Celery worker last said that it is ready; None: not yet."""
    for line in reversed(log.splitlines()):
        if line.rstrip().endswith(" ready.") or " ready. " in line:
            return datetime.fromisoformat(line.split()[0]).astimezone(UTC)
    return None
