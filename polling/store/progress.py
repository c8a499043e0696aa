"""How far the walk that plans all cards has come: for operators, and for who goes on when it died."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from redis import Redis

from polling.store import keys
from polling.store.schedule import PlanMode

# As redis-py types a mapping, which is invariant in its keys.
Fields = dict[
    bytes | bytearray | memoryview | str | int | float, bytes | bytearray | memoryview | str | int | float
]


@dataclass(frozen=True)
class Walked:
    """All cards up to `cursor`, `done` of them, are planned in `mode` by the configs with this fingerprint."""

    configs: str
    mode: PlanMode = PlanMode.NEW_ONLY
    cursor: int = 0
    done: int = 0


class SeedProgress:
    """A hash that operators read.

    Sample: `status running, total 1000000, done 240000, percent 24, started_at 2026-01-31T08:00:00+00:00,
    error, epoch 7, cursor 240963, mode NX, configs 3f1c...`.
    """

    def __init__(self, redis: Redis) -> None:
        """One walk at a time, over all processes: `keys.SEEDER` says who."""
        self._redis = redis

    def begin(self, *, epoch: int, total: int, now: datetime) -> None:
        """A walk over about `total` cards has begun."""
        self._redis.delete(keys.PROGRESS)
        self._write(
            status="running",
            total=total,
            done=0,
            percent=0,
            started_at=now.isoformat(),
            error="",
            epoch=epoch,
        )

    def report(self, walked: Walked) -> None:
        """So far it has come."""
        total = int(self.read()["total"])
        self._write(
            status="running",
            error="",
            done=walked.done,
            percent=min(100, walked.done * 100 // total) if total else 100,
            cursor=walked.cursor,
            mode=walked.mode.value,
            configs=walked.configs,
        )

    def fail(self, error: str) -> None:
        """The walk has stopped; who is asked next goes on from here."""
        self._write(status="failed", error=error)

    def finish(self, *, done: int, now: datetime) -> None:
        """The walk has ended; `done` cards were looked at."""
        self._write(status="finished", total=done, done=done, percent=100, finished_at=now.isoformat())

    def unfinished(self, epoch: int | None) -> Walked | None:
        """Where the walk of this epoch stopped; None: there is none, or it has planned nothing yet."""
        fields = self.read()
        if epoch is None or fields.get("epoch") != str(epoch) or "cursor" not in fields:
            return None
        cursor, done = int(fields["cursor"]), int(fields["done"])
        return Walked(fields["configs"], PlanMode(fields["mode"]), cursor, done)

    def read(self) -> dict[str, str]:
        """The hash as it is; empty when no walk has run."""
        return cast("dict[str, str]", self._redis.hgetall(keys.PROGRESS))

    def _write(self, **fields: str | int) -> None:
        self._redis.hset(keys.PROGRESS, mapping=cast(Fields, fields))
