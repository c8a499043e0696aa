"""Read the present state of polling from Redis, as typed values.

The API, the admin, the metrics, the health checks, and the commands `doctor` and `polling_top` use them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from redis import Redis

from cards.models import CheckType
from carriers import limits as gateway_limits
from common.clocks import redis_now
from common.redis.degraded import degraded_without_redis
from common.redis.semaphore import Occupancy
from polling.checks.registry import CHECKS
from polling.models import TaskType
from polling.observe.lateness import Lateness
from polling.observe.lateness import read as read_lateness
from polling.schedule import keys
from polling.schedule.limits import slots_of
from polling.schedule.progress import SeedProgress
from polling.schedule.stats import CheckStats, Counted

# In seconds. Beat sends a tick each second and a drain lasts at most 15 s, so half a minute without a claim
# means that the engine does not run.
CLAIMS_ARE_STALE_AFTER = 30


@dataclass(frozen=True)
class QueueState:
    """The number of cards in each state, for one check type.

    `queue_length` counts all scheduled cards, due or not. `suspects` counts the cards that have lost several
    claims and wait to be claimed alone. `oldest_due_seconds` is how long the longest-waiting due card has
    been due. `wanted` is the number of cards that want the check, as the census last counted them; None
    before the first count.
    """

    task_type: str
    queue_length: int
    due: int
    manual: int
    in_flight: int
    parked: int
    suspects: int
    oldest_due_seconds: float
    wanted: int | None

    @property
    def invariant_gap(self) -> int | None:
        """The gap in the invariant `scheduled + parked = wanted`, in cards; None before the first count.

        The gap is positive if cards are missing from the schedule. After cards have changed, it may differ
        from 0 for a few seconds, until the census has counted the changes.
        """
        return None if self.wanted is None else self.wanted - self.queue_length - self.parked


@dataclass(frozen=True)
class Holder:
    """A process that holds slots, with its number of slots.

    `holder` is the name of the process, such as `worker-1:4242:1790000000-3fa9c1d2`. Its parts are
    `host:pid:start-place`, where `start` is the unix time at which the process started, and `place` is a
    digest of the machine, its last boot and the pid namespace.
    """

    holder: str
    slots: int


@dataclass(frozen=True)
class LimitState:
    """The concurrency limit of one task type, and the processes that hold its slots.

    `max_concurrency` is None if the limit is missing in Redis. No call may begin then.
    """

    task_type: str
    max_concurrency: int | None
    holders: tuple[Holder, ...]

    @property
    def current(self) -> int:
        """The number of slots that are taken."""
        return sum(holder.slots for holder in self.holders)

    @property
    def usage_percent(self) -> float | None:
        """The percentage of the slots that are taken; None if the limit is missing or 0."""
        return round(100 * self.current / self.max_concurrency, 1) if self.max_concurrency else None


@dataclass(frozen=True)
class TaskState:
    """The results of the checks of one type over the last `window_seconds`."""

    task_type: str
    window_seconds: int
    counted: Counted

    @property
    def checks_per_second(self) -> float:
        """The mean number of checks per second.

        The mean covers all minutes that overlap the window. The current minute counts only up to now.
        """
        return self.counted.checks / self.counted.seconds


@dataclass(frozen=True)
class LatenessState:
    """The lateness of one check type. `measured` is None if no measurement is stored."""

    task_type: str
    measured: Lateness | None


@dataclass(frozen=True)
class InitProgress:
    """The progress of seeding, the scan that schedules all cards.

    `status` is "none", "running", "failed" or "finished". `total` and `done` are numbers of cards.
    """

    status: str
    total: int
    done: int
    percent: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str


def queues(redis: Redis) -> list[QueueState]:
    """Return the number of cards in each state, for every check type."""
    now = redis_now(redis)
    return [_queue(redis, check_type.value, now) for check_type in CHECKS]


def limits(redis: Redis) -> list[LimitState]:
    """Return the limit and the slot holders of every task type."""
    return [limit(redis, task_type) for task_type in TaskType.values]


def limits_by_type(redis: Redis) -> dict[str, LimitState]:
    """Return task type -> state of its limit; an empty dict while Redis does not answer.

    Use it for pages that also work without the limits and their slot holders.
    """
    states: dict[str, LimitState] = {}
    with degraded_without_redis("slot holders are not shown"):
        states.update({state.task_type: state for state in limits(redis)})
    return states


def limit(redis: Redis, task_type: str) -> LimitState:
    """Return the limit of one task type and the holders of its slots."""
    occupancy = slots_of(redis, task_type).occupancy()
    holders = tuple(Holder(name, slots) for name, slots in sorted(occupancy.holders.items()))
    return LimitState(task_type, occupancy.limit, holders)


def gateway_occupancy(redis: Redis, gateway_id: int) -> Occupancy:
    """Return the limit of a gateway and the holders of its slots."""
    return gateway_limits.slots_of(redis, gateway_id).occupancy()


def tasks(redis: Redis, *, window_seconds: int) -> list[TaskState]:
    """Return the results of every check type over the last `window_seconds`.

    All minutes that overlap the window are counted.
    """
    now = redis_now(redis)
    return [
        TaskState(
            check_type.value,
            window_seconds,
            CheckStats(redis, check_type.value).over_last(window_seconds, now=now),
        )
        for check_type in CHECKS
    ]


def lateness(redis: Redis) -> list[LatenessState]:
    """Return the lateness of every check type, as last measured."""
    return [LatenessState(check_type.value, read_lateness(redis, check_type)) for check_type in CHECKS]


def init_progress(redis: Redis) -> InitProgress:
    """Return the progress of the running scan, or of the last scan if none is running."""
    progress = SeedProgress(redis).read()
    total, done, percent = (int(progress.get(name, 0)) for name in ("total", "done", "percent"))
    return InitProgress(
        progress.get("status", "none"),
        total,
        done,
        percent,
        _moment(progress.get("started_at")),
        _moment(progress.get("finished_at")),
        progress.get("error", ""),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def repaired_cards(redis: Redis) -> dict[tuple[str, str], int]:
    """Return (check type, fault) -> number of cards that the hourly repair has fixed since Redis was emptied.

    The faults are "missing" (the card was not in the schedule), "strangers" (it did not belong there) and
    "late" (it was due later than its interval allows).
    """
    found = cast("dict[str, str]", redis.hgetall(keys.REPAIRED))
    names = ((check_type.value, fault) for check_type in CHECKS for fault in ("missing", "strangers", "late"))
    return {name: int(found.get(":".join(name), 0)) for name in names}


def schedule_bytes(redis: Redis) -> int:
    """Return how many bytes of memory the schedule takes, as Redis estimates it."""
    structures = (
        keys.queue, keys.claims, keys.lost, keys.suspects, keys.again, keys.forgotten, keys.manual, keys.parked
    )  # fmt: skip
    pipeline = redis.pipeline(transaction=False)
    for structure in structures:
        for check_type in CheckType.values:
            pipeline.memory_usage(structure(check_type))
    return sum(size or 0 for size in pipeline.execute())


def last_claim_age(redis: Redis) -> float | None:
    """Return the seconds since a worker last looked for cards to claim; None if none has done so yet."""
    return _age(redis, keys.LAST_CLAIM)


def last_tick_age(redis: Redis) -> float | None:
    """Return the seconds since a worker last processed a tick from beat; None if there was none yet."""
    return _age(redis, keys.TICKED_AT)


def _age(redis: Redis, key: str) -> float | None:
    last = cast("str | None", redis.get(key))
    return None if last is None else max(0.0, redis_now(redis) - int(last))


def _queue(redis: Redis, check_type: str, now: float) -> QueueState:
    pipeline = redis.pipeline(transaction=False)
    pipeline.zcard(keys.queue(check_type))
    pipeline.zcount(keys.queue(check_type), "-inf", now)
    pipeline.llen(keys.manual(check_type))
    pipeline.hlen(keys.claims(check_type))
    pipeline.zcard(keys.parked(check_type))
    pipeline.scard(keys.suspects(check_type))
    pipeline.zrange(keys.queue(check_type), 0, 0, withscores=True)
    pipeline.hget(keys.WANTED, check_type)
    length, due, manual, in_flight, parked, suspects, oldest, wanted = pipeline.execute()
    return QueueState(
        task_type=check_type,
        queue_length=length,
        due=due,
        manual=manual,
        in_flight=in_flight,
        parked=parked,
        suspects=suspects,
        oldest_due_seconds=round(max(0.0, now - oldest[0][1]), 1) if oldest else 0.0,
        wanted=None if wanted is None else int(wanted),
    )
