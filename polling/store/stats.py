"""Reads what settling has counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from redis import Redis

from polling.store import keys
from polling.store.histogram import BUCKETS, percentile

SECONDS_A_MINUTE = 60


@dataclass(frozen=True)
class Counted:
    """Checks settled over `seconds`. `histogram` has one count for each bucket of durations."""

    success: int
    failed: int
    total_duration_ms: int
    histogram: tuple[int, ...]
    seconds: float

    @property
    def checks(self) -> int:
        """All of them."""
        return self.success + self.failed

    @property
    def success_rate(self) -> float | None:
        """0 to 1; None when nothing was checked."""
        return self.success / self.checks if self.checks else None

    @property
    def average_ms(self) -> float | None:
        """Mean duration of a check's call; None when nothing was checked."""
        return self.total_duration_ms / self.checks if self.checks else None

    def percentile_ms(self, share: float) -> int | None:
        """A percentile of the durations; None when nothing was checked."""
        return percentile(self.histogram, share)


class CheckStats:
    """The counters of one check type.

    A minute's bucket::

        polling:minute:carddata:29833333  hash  success 812, failed 3, total_duration_ms 9001, h3 800, h4 15
    """

    def __init__(self, redis: Redis, check_type: str) -> None:
        """`check_type` is a wire name."""
        self._redis = redis
        self._minute = keys.minute(check_type)

    def over_last(self, seconds: int, *, now: float) -> Counted:
        """What was counted in the minutes that the last `seconds` touch; `now` is unix time."""
        last = int(now // SECONDS_A_MINUTE)
        first = int((now - seconds) // SECONDS_A_MINUTE)
        pipeline = self._redis.pipeline(transaction=False)
        for minute in range(first, last + 1):
            pipeline.hgetall(f"{self._minute}{minute}")
        buckets = cast("list[dict[str, str]]", pipeline.execute())
        return _sum(buckets, seconds=now - first * SECONDS_A_MINUTE)


def _sum(buckets: list[dict[str, str]], *, seconds: float) -> Counted:
    def total(field: str) -> int:
        return sum(_number(bucket, field) for bucket in buckets)

    return Counted(
        success=total("success"),
        failed=total("failed"),
        total_duration_ms=total("total_duration_ms"),
        histogram=tuple(total(f"h{number}") for number in range(1, BUCKETS + 1)),
        seconds=seconds,
    )


def _number(bucket: Mapping[str, str], field: str) -> int:
    return int(bucket.get(field, 0))
