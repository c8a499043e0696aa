"""The content of `polling_top`: read the state of the engine, and render it as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from redis import Redis
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from carriers.models import Gateway
from common.clocks import redis_now
from polling.observe import gateway_states, monitoring
from polling.observe.gateway_states import GatewayStatus, State
from polling.observe.monitoring import InitProgress, LatenessState, LimitState, QueueState, TaskState

WINDOW_SECONDS: Final = 60
NOTHING: Final = Text("-", "dim")
# Each pair consists of two bounds: a figure above the first is yellow, and one above the second is red.
DELAY_SECONDS, LATENESS, USAGE_PERCENT = (5, 120), (1.1, 1.5), (80, 100)
FAILURE_RATE = (0.01, 0.1)


@dataclass(frozen=True)
class GatewayRow:
    """The slots of one gateway, and why it may not be called.

    `closed_reason` is empty if the gateway may be called. `limit` is None if it is missing in Redis.
    """

    name: str
    taken: int
    limit: int | None
    closed_reason: str


@dataclass(frozen=True)
class LiveView:
    """The state of the engine at one moment.

    `queues`, `tasks` and `lateness` have one element for each check type, in the same order. `claim_age` is
    the number of seconds since the last claim; None if there was none yet.

    Example::

        console.print(render(read(redis)))
    """

    at: datetime
    queues: Sequence[QueueState]
    tasks: Sequence[TaskState]
    lateness: Sequence[LatenessState]
    limits: Sequence[LimitState]
    gateways: Sequence[GatewayRow]
    progress: InitProgress
    claim_age: float | None


def read(redis: Redis) -> LiveView:
    """Return the present state. Gateways and pauses come from PostgreSQL, everything else from Redis."""
    at = datetime.fromtimestamp(redis_now(redis), UTC)
    return LiveView(
        at=at,
        queues=monitoring.queues(redis),
        tasks=monitoring.tasks(redis, window_seconds=WINDOW_SECONDS),
        lateness=monitoring.lateness(redis),
        limits=monitoring.limits(redis),
        gateways=[
            _row(redis, status) for status in gateway_states.read(list(Gateway.objects.all())).values()
        ],
        progress=monitoring.init_progress(redis),
        claim_age=monitoring.last_claim_age(redis),
    )


def render(view: LiveView) -> RenderableType:
    """Return a headline and two tables, ready to print."""
    return Group(_head(view), "", _checks(view), "", _slots(view))


def _row(redis: Redis, status: GatewayStatus) -> GatewayRow:
    occupancy = monitoring.gateway_occupancy(redis, status.gateway.pk)
    reason = "" if status.state in {State.WORKING, State.UNCALLED} else status.words
    return GatewayRow(status.gateway.name, len(occupancy.members), occupancy.limit, reason)


def _head(view: LiveView) -> Text:
    progress = view.progress
    line = Text(f"Simwatch, {view.at:%Y-%m-%d %H:%M:%S} UTC   ", "bold")
    line.append(
        f"planning: {progress.status} {progress.done:,} of {progress.total:,} ({progress.percent} %)   "
    )
    age = view.claim_age
    line.append("no claim yet" if age is None else f"last claim {age:.0f} s ago")
    return line


def _checks(view: LiveView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("check")
    for title in (
        "cards", "due", "delay s", "claimed", "manual", "parked", "checks/s", "failed", "p95 ms", "lateness p95", "max",
    ):  # fmt: skip
        table.add_column(title, justify="right")
    for queue, task, late in zip(view.queues, view.tasks, view.lateness, strict=True):
        counted, measured = task.counted, late.measured
        failed = counted.failed / counted.checks if counted.checks else None
        table.add_row(
            queue.task_type,
            f"{queue.queue_length:,}",
            f"{queue.due:,}",
            _coloured(queue.oldest_due_seconds, f"{queue.oldest_due_seconds:.0f}", DELAY_SECONDS),
            f"{queue.in_flight:,}",
            f"{queue.manual:,}",
            _coloured(queue.parked, f"{queue.parked:,}", (0, 0)),
            f"{task.checks_per_second:,.1f}",
            NOTHING if failed is None else _coloured(failed, f"{failed:.1%}", FAILURE_RATE),
            str(counted.percentile_ms(0.95) or "-"),
            _ratio(measured.p95 if measured else None),
            _ratio(measured.max if measured else None),
        )
    return table


def _slots(view: LiveView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("slots")
    table.add_column("taken", justify="right")
    table.add_column("of", justify="right")
    table.add_column("")
    for limit in view.limits:
        _add_slots(table, limit.task_type, limit.current, limit.max_concurrency, "")
    for gateway in view.gateways:
        state = gateway.closed_reason or ("works" if gateway.limit else "")
        _add_slots(table, f"at {gateway.name}", gateway.taken, gateway.limit, state)
    return table


def _add_slots(table: Table, name: str, taken: int, limit: int | None, state: str) -> None:
    if limit:
        colour = _coloured(100 * taken / limit, str(taken), USAGE_PERCENT)
        table.add_row(name, colour, str(limit), Text(state))
    else:
        # No call may begin: an operator has set the limit to 0 as a pause, or the limit is missing in Redis.
        reason = state or ("paused" if limit == 0 else "closed: no limit in Redis")
        table.add_row(name, str(taken), "0" if limit == 0 else "none", Text(reason, "yellow"))


def _ratio(value: float | None) -> Text:
    return NOTHING if value is None else _coloured(value, f"{value:.2f}", LATENESS)


def _coloured(value: float, text: str, bounds: tuple[float, float]) -> Text:
    """Return the text in green up to the first bound, in yellow up to the second, and in red above it."""
    style = "green" if value <= bounds[0] else "yellow" if value <= bounds[1] else "bold red"
    return Text(text, style)
