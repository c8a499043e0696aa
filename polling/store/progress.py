"""How far the walk that plans all cards has come."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from redis import Redis

from cards.models import CheckType
from polling.store import keys

# As redis-py types a mapping, which is invariant in its keys.
Fields = dict[
    bytes | bytearray | memoryview | str | int | float, bytes | bytearray | memoryview | str | int | float
]


class SeedProgress:
    """A hash that operators read.

    Sample: `status running, total 1000000, done 240000, percent 24, started_at 2026-01-31T08:00:00+00:00`.
    """

    def __init__(self, redis: Redis) -> None:
        """One walk at a time, over all processes: `keys.SEEDER` says who."""
        self._redis = redis

    def begin(self, *, total: int, now: datetime) -> None:
        """A walk over about `total` cards has begun."""
        self._redis.delete(keys.PROGRESS, keys.WANTED)
        fields: Fields = {
            "status": "running",
            "total": total,
            "done": 0,
            "percent": 0,
            "started_at": now.isoformat(),
        }
        self._redis.hset(keys.PROGRESS, mapping=fields)

    def report(self, *, done: int, total: int) -> None:
        """`done` cards have been looked at."""
        percent = min(100, done * 100 // total) if total else 100
        self._redis.hset(keys.PROGRESS, mapping={"done": done, "percent": percent})

    def found(self, wanted: Mapping[CheckType, int]) -> None:
        """How many cards want each check: what `scheduled + parked` is held against until the next walk."""
        fields: Fields = {check_type.value: count for check_type, count in wanted.items()}
        self._redis.hset(keys.WANTED, mapping=fields)

    def finish(self, *, done: int, now: datetime) -> None:
        """The walk has ended; `done` cards were looked at."""
        fields: Fields = {
            "status": "finished",
            "total": done,
            "done": done,
            "percent": 100,
            "finished_at": now.isoformat(),
        }
        self._redis.hset(keys.PROGRESS, mapping=fields)

    def read(self) -> dict[str, str]:
        """The hash as it is; empty when no walk has run."""
        return cast("dict[str, str]", self._redis.hgetall(keys.PROGRESS))
