"""What `polling_top` shows: one picture of the engine, taken in a few round trips, drawn as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from redis import Redis
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from carriers.breakers import Breakers, Rest
from carriers.models import Gateway
from polling.observe import monitoring
from polling.observe.doctor import gateways as gateway_judgements
from polling.observe.monitoring import InitProgress, LatenessState, LimitState, QueueState, TaskState
from polling.policy.config_snapshot import ConfigSnapshot

WINDOW_SECONDS: Final = 60
NOTHING: Final = Text("-", "dim")
# Where a figure turns from green to yellow, and to red.
LATE_SECONDS, LATE_RATIO, USAGE_PERCENT = (5, 120), (1.1, 1.5), (80, 100)
FAILED_SHARE = (0.01, 0.1)


@dataclass(frozen=True)
class GatewayRow:
    """One gateway: its slots, and why it is closed or left alone (empty: it is open)."""

    name: str
    taken: int
    limit: int | None
    closed: str


@dataclass(frozen=True)
class Picture:
    """Everything at one moment. The sequences of the check types are in the same order."""

    at: datetime
    queues: Sequence[QueueState]
    tasks: Sequence[TaskState]
    lateness: Sequence[LatenessState]
    limits: Sequence[LimitState]
    gateways: Sequence[GatewayRow]
    progress: InitProgress
    claim_age: float | None


def take(redis: Redis) -> Picture:
    """Look at it."""
    at, snapshot = datetime.fromtimestamp(monitoring.redis_now(redis), UTC), ConfigSnapshot.read()
    rests = Breakers(redis).rests(snapshot.gateways)
    return Picture(
        at=at,
        queues=monitoring.queues(redis),
        tasks=monitoring.tasks(redis, window_seconds=WINDOW_SECONDS),
        lateness=monitoring.lateness(redis),
        limits=monitoring.limits(redis),
        gateways=[_row(redis, one, snapshot, rests.get(one.pk)) for one in snapshot.gateways.values()],
        progress=monitoring.init_progress(redis),
        claim_age=monitoring.last_claim_age(redis),
    )


def draw(picture: Picture) -> RenderableType:
    """The tables. Pure."""
    return Group(_head(picture), "", _checks(picture), "", _slots(picture))


def _row(redis: Redis, gateway: Gateway, snapshot: ConfigSnapshot, rest: Rest | None) -> GatewayRow:
    occupancy = monitoring.gateway_occupancy(redis, gateway.pk)
    closed = gateway_judgements.closed(gateway, snapshot)
    says = closed.says if closed else gateway_judgements.resting(rest)
    return GatewayRow(gateway.name, len(occupancy.members), occupancy.limit, says)


def _head(picture: Picture) -> Text:
    progress = picture.progress
    line = Text(f"Simwatch, {picture.at:%Y-%m-%d %H:%M:%S} UTC   ", "bold")
    line.append(
        f"planning: {progress.status} {progress.done:,} of {progress.total:,} ({progress.percent} %)   "
    )
    age = picture.claim_age
    line.append("nobody claims" if age is None else f"last claim {age:.0f} s ago")
    return line


def _checks(picture: Picture) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("check")
    for title in (
        "cards", "due", "late s", "claimed", "manual", "parked", "checks/s", "failed", "p95 ms", "lateness p95", "max",
    ):  # fmt: skip
        table.add_column(title, justify="right")
    for queue, task, late in zip(picture.queues, picture.tasks, picture.lateness, strict=True):
        counted, measured = task.counted, late.measured
        failed = counted.failed / counted.checks if counted.checks else None
        table.add_row(
            queue.task_type,
            f"{queue.queue_length:,}",
            f"{queue.due:,}",
            _coloured(queue.oldest_due_seconds, f"{queue.oldest_due_seconds:.0f}", LATE_SECONDS),
            f"{queue.in_flight:,}",
            f"{queue.manual:,}",
            _coloured(queue.parked, f"{queue.parked:,}", (0, 0)),
            f"{task.checks_per_second:,.1f}",
            NOTHING if failed is None else _coloured(failed, f"{failed:.1%}", FAILED_SHARE),
            str(counted.percentile_ms(0.95) or "-"),
            _ratio(measured.p95 if measured else None),
            _ratio(measured.max if measured else None),
        )
    return table


def _slots(picture: Picture) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("slots")
    table.add_column("taken", justify="right")
    table.add_column("of", justify="right")
    table.add_column("")
    for limit in picture.limits:
        _add_slots(table, limit.task_type, limit.current, limit.max_concurrency, "")
    for gateway in picture.gateways:
        says = gateway.closed or ("open" if gateway.limit else "")
        _add_slots(table, f"at {gateway.name}", gateway.taken, gateway.limit, says)
    return table


def _add_slots(table: Table, name: str, taken: int, limit: int | None, says: str) -> None:
    if limit:
        colour = _coloured(100 * taken / limit, str(taken), USAGE_PERCENT)
        table.add_row(name, colour, str(limit), Text(says))
    else:
        # As the doctor says it: 0 is a pause, without a limit it is closed.
        why = says or ("paused" if limit == 0 else "closed: no limit in Redis")
        table.add_row(name, str(taken), "0" if limit == 0 else "none", Text(why, "yellow"))


def _ratio(value: float | None) -> Text:
    return NOTHING if value is None else _coloured(value, f"{value:.2f}", LATE_RATIO)


def _coloured(value: float, text: str, bounds: tuple[float, float]) -> Text:
    """Green up to the first bound, yellow up to the second, then red."""
    style = "green" if value <= bounds[0] else "yellow" if value <= bounds[1] else "bold red"
    return Text(text, style)
