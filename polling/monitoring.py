"""What operators and alarms read of polling: one typed picture, from Redis, in a few round trips."""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from common.redis.client import for_web
from polling.checks.registry import CHECKS
from polling.models import TaskType
from polling.store import keys
from polling.store.stats import CheckStats, Counted

# Beat ticks each second and a drain lasts 15 s: half a minute without a claim means that nothing runs.
CLAIMS_ARE_STALE_AFTER = 30


@dataclass(frozen=True)
class QueueState:
    """One check type's queue. `oldest_due_seconds` is how long the longest overdue card has waited."""

    task_type: str
    queue_length: int
    due: int
    in_flight: int
    oldest_due_seconds: float


@dataclass(frozen=True)
class LimitState:
    """One concurrency limit. None: nothing is configured, which means closed."""

    task_type: str
    max_concurrency: int | None
    current: int

    @property
    def usage_percent(self) -> float | None:
        """Share of the seats that are taken; None without seats."""
        return round(100 * self.current / self.max_concurrency, 1) if self.max_concurrency else None


@dataclass(frozen=True)
class TaskState:
    """What one check type has done over a rolling window."""

    task_type: str
    window_seconds: int
    counted: Counted

    @property
    def checks_per_second(self) -> float:
        """Mean over the time that was counted: whole minutes, and the present one as far as it goes."""
        return self.counted.checks / self.counted.seconds


def queues(redis: Redis) -> list[QueueState]:
    """The queues of all check types."""
    now = _now(redis)
    return [_queue(redis, check_type.value, now) for check_type in CHECKS]


def limits(redis: Redis) -> list[LimitState]:
    """The limits of all task types."""
    pipeline = redis.pipeline(transaction=False)
    for task_type in TaskType.values:
        pipeline.get(keys.limit(task_type))
        pipeline.get(keys.current(task_type))
    found = cast("list[str | None]", pipeline.execute())
    return [
        LimitState(task_type, None if limit is None else int(limit), int(current or 0))
        for task_type, limit, current in zip(TaskType.values, found[::2], found[1::2], strict=True)
    ]


def tasks(redis: Redis, *, window_seconds: int) -> list[TaskState]:
    """What all check types have done in the last `window_seconds`, to the minute."""
    now = _now(redis)
    return [
        TaskState(
            check_type.value,
            window_seconds,
            CheckStats(redis, check_type.value).over_last(window_seconds, now=now),
        )
        for check_type in CHECKS
    ]


def schedule_probe() -> str | None:
    """For readiness: what is wrong with the schedule, or None."""
    redis = for_web()
    if not redis.exists(keys.EPOCH):
        return "there is no schedule: the next wake-up makes one, or run init_polling"
    if not any(limit.max_concurrency for limit in limits(redis) if limit.task_type in set(CHECKS)):
        # Somebody has paused everything: it is as it should be.
        return None
    last = cast("str | None", redis.get(keys.LAST_CLAIM))
    if last is None or _now(redis) - int(last) > CLAIMS_ARE_STALE_AFTER:
        return "nobody claims: is beat running, and a worker of the queue checks?"
    return None


def _queue(redis: Redis, check_type: str, now: float) -> QueueState:
    pipeline = redis.pipeline(transaction=False)
    pipeline.zcard(keys.queue(check_type))
    pipeline.zcount(keys.queue(check_type), "-inf", now)
    pipeline.hlen(keys.claims(check_type))
    pipeline.zrange(keys.queue(check_type), 0, 0, withscores=True)
    length, due, in_flight, oldest = pipeline.execute()
    overdue = max(0.0, now - oldest[0][1]) if oldest else 0.0
    return QueueState(check_type, length, due, in_flight, round(overdue, 1))


def _now(redis: Redis) -> float:
    seconds, microseconds = redis.time()
    return seconds + microseconds / 1_000_000
