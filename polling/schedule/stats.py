"""Read the counts of settled claims, and restart the totals after a flush to PostgreSQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from redis import Redis

from cards.models import CheckType
from common.redis import scripts
from polling.schedule import keys
from polling.schedule.histogram import BUCKETS, DELAY_BOUNDS_SECONDS, percentile
from polling.schedule.progress import Fields
from polling.schedule.schedule import MINUTES_ARE_KEPT

SECONDS_PER_MINUTE = 60


@dataclass(frozen=True)
class Counted:
    """The counts of the checks that were settled during a period of `seconds`.

    `histogram` (of durations) and `delays` have one count for each bucket.
    """

    success: int
    failed: int
    total_duration_ms: int
    histogram: tuple[int, ...]
    delays: tuple[int, ...]
    seconds: float

    @property
    def checks(self) -> int:
        """Return how many checks were settled, successful or not."""
        return self.success + self.failed

    @property
    def success_rate(self) -> float | None:
        """Return the share of successful checks, from 0 to 1; None if nothing was checked."""
        return self.success / self.checks if self.checks else None

    @property
    def average_ms(self) -> float | None:
        """Return the mean duration of a check in ms; None if nothing was checked.

        All checks of one call have the duration of that call.
        """
        return self.total_duration_ms / self.checks if self.checks else None

    def percentile_ms(self, share: float) -> int | None:
        """Return a percentile of the durations in ms; None if nothing was checked. `share` is from 0 to 1."""
        return percentile(self.histogram, share)

    def delay_seconds(self, share: float) -> int | None:
        """Return a percentile of the delays from due time to claim; None if nothing was checked."""
        return percentile(self.delays, share, DELAY_BOUNDS_SECONDS)


@dataclass(frozen=True)
class Gauges:
    """A sample of one moment: the numbers of due cards, cards in flight and taken slots.

    None means that the value was not sampled.
    """

    due: int | None
    in_flight: int | None
    slots: int | None


@dataclass(frozen=True)
class Minute:
    """The counts and the last sample of a minute that has ended. `number` is its unix time / 60."""

    number: int
    counted: Counted
    gauges: Gauges


def reset_counters(redis: Redis) -> None:
    """Let the counters for Prometheus begin at 0."""
    redis.unlink(keys.REPAIRED, *(keys.counters(check_type) for check_type in CheckType.values))


class CheckStats:
    """The counters of one check type. `check_type` is the type's value in Redis keys, such as `carddata`.

    With `gateway_id`, the minutes count only the calls to that gateway.

    Samples::

        polling:minute:carddata:29833333  hash  success 812, failed 3, total_duration_ms 9001, h3 800, h4 15,
                                                l1 815, due 4, in_flight 12, seats 6
        polling:minute:carddata:29833333:3  hash  the same for the calls to gateway 3, without delays and gauges
        polling:stats:carddata            hash  success 812, failed 3, total_duration_ms 9001,
                                                avg_duration_ms 11.0
        polling:counters:carddata         hash  claimed 900, lost 1, success 812, ... since Redis was emptied

    Example::

        counted = CheckStats(redis, "carddata").over_last(300, now=time.time())
        counted.success_rate, counted.percentile_ms(0.95)
    """

    def __init__(self, redis: Redis, check_type: str, *, gateway_id: int | None = None) -> None:
        self._redis = redis
        self._minute = keys.minute(check_type)
        self._suffix = "" if gateway_id is None else f":{gateway_id}"
        self._totals = keys.stats(check_type)
        self._counters = keys.counters(check_type)
        self._count_unflushed = scripts.load(redis, __file__, "count_unflushed")

    def over_last(self, seconds: int, *, now: float) -> Counted:
        """Return the counts of all minutes that overlap the last `seconds`; `now` is unix time."""
        last = int(now // SECONDS_PER_MINUTE)
        first = int((now - seconds) // SECONDS_PER_MINUTE)
        return _sum(self._buckets(first, last), seconds=now - first * SECONDS_PER_MINUTE)

    def sample(self, gauges: Gauges, *, now: float) -> None:
        """Store a sample in the bucket of the current minute, replacing an earlier sample of that minute."""
        minute = f"{self._minute}{int(now // SECONDS_PER_MINUTE)}"
        # The number of taken slots is stored in the field `seats`, because slots are called seats in Redis.
        fields = {"due": gauges.due, "in_flight": gauges.in_flight, "seats": gauges.slots}
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset(minute, mapping=cast(Fields, fields))
        pipeline.expire(minute, MINUTES_ARE_KEPT)
        pipeline.execute()

    def closed_minutes(self, *, after: int, now: float) -> list[Minute]:
        """Return the minutes after minute `after` that have ended and have a bucket, oldest first."""
        last = int(now // SECONDS_PER_MINUTE) - 1
        first = max(after + 1, last - int(MINUTES_ARE_KEPT.total_seconds() // SECONDS_PER_MINUTE))
        buckets = self._buckets(first, last)
        return [
            Minute(number, _sum([bucket], seconds=SECONDS_PER_MINUTE), _gauges(bucket))
            for number, bucket in enumerate(buckets, start=first)
            if bucket
        ]

    def mark_flushed(self, *, until: int, average_ms: float) -> None:
        """Make the totals count only the minutes after `until`, because PostgreSQL has the others."""
        self._count_unflushed(keys=[self._totals], args=[self._minute, until, f"{average_ms:.1f}"])

    def since_emptied(self) -> dict[str, int]:
        """Return the counters for Prometheus, by field. They only grow; emptying Redis resets them."""
        found = cast("dict[str, str]", self._redis.hgetall(self._counters))
        return {field: int(value) for field, value in found.items()}

    def _buckets(self, first: int, last: int) -> list[dict[str, str]]:
        pipeline = self._redis.pipeline(transaction=False)
        for minute in range(first, last + 1):
            pipeline.hgetall(f"{self._minute}{minute}{self._suffix}")
        return cast("list[dict[str, str]]", pipeline.execute())


def _sum(buckets: list[dict[str, str]], *, seconds: float) -> Counted:
    def total(field: str) -> int:
        return sum(_number(bucket, field) for bucket in buckets)

    return Counted(
        success=total("success"),
        failed=total("failed"),
        total_duration_ms=total("total_duration_ms"),
        histogram=tuple(total(f"h{number}") for number in range(1, BUCKETS + 1)),
        delays=tuple(total(f"l{number}") for number in range(1, BUCKETS + 1)),
        seconds=seconds,
    )


def _number(bucket: Mapping[str, str], field: str) -> int:
    return int(bucket.get(field, 0))


def _gauges(bucket: Mapping[str, str]) -> Gauges:
    values = (bucket.get(field) for field in ("due", "in_flight", "seats"))
    return Gauges(*(None if value is None else int(value) for value in values))
