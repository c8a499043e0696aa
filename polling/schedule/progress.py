"""How far the walk that plans all cards has come: for operators, and for who goes on when it died."""

from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import cast

from redis import Redis

from common.redis import scripts
from polling.schedule import keys
from polling.schedule.schedule import PlanMode

# As redis-py types a mapping, which is invariant in its keys.
Fields = dict[
    bytes | bytearray | memoryview | str | int | float, bytes | bytearray | memoryview | str | int | float
]


@dataclass(frozen=True)
class Checkpoint:
    """All cards up to `cursor`, `done` of them, are planned in `mode` by the rules with this fingerprint."""

    rules: str
    mode: PlanMode = PlanMode.NEW_ONLY
    cursor: int = 0
    done: int = 0


class SeedProgress:
    """A hash that operators read.

    Sample: `status running, total 1000000, done 240000, percent 24, started_at 2026-01-31T08:00:00+00:00,
    error, epoch 7, was_empty 1, cursor 240963, mode NX, rules 3f1c...`.
    """

    def __init__(self, redis: Redis) -> None:
        """One walk at a time, over all processes: `keys.SEEDER` says who."""
        self._redis = redis
        self._write = scripts.load(redis, __file__, "write_progress")

    def begin(self, *, epoch: int, total: int, was_empty: bool, now: datetime) -> None:
        """A walk over about `total` cards has begun; `was_empty`: nothing was scheduled before."""
        fields: Fields = {
            "status": "running",
            "total": total,
            "done": 0,
            "percent": 0,
            "started_at": now.isoformat(),
            "error": "",
            "epoch": epoch,
            "was_empty": int(was_empty),
        }
        pipeline = self._redis.pipeline()
        pipeline.delete(keys.PROGRESS)
        pipeline.hset(keys.PROGRESS, mapping=fields)
        pipeline.execute()

    def report(self, checkpoint: Checkpoint, *, epoch: int) -> None:
        """So far the walk of this epoch has come."""
        total = int(self.read().get("total", 0))
        self._set(
            epoch,
            status="running",
            error="",
            done=checkpoint.done,
            percent=min(100, checkpoint.done * 100 // total) if total else 100,
            cursor=checkpoint.cursor,
            mode=checkpoint.mode.value,
            rules=checkpoint.rules,
        )

    def fail(self, error: str, *, epoch: int) -> None:
        """The walk has stopped; who is asked next goes on from here."""
        self._set(epoch, status="failed", error=error)

    def finish(self, *, epoch: int, done: int, now: datetime) -> None:
        """The walk has ended; `done` cards were looked at."""
        self._set(epoch, status="finished", total=done, done=done, percent=100, finished_at=now.isoformat())

    def unfinished(self, epoch: int) -> Checkpoint | None:
        """Where the walk of this epoch stopped; None: it has not begun to plan, or nothing is known of it."""
        fields = self.read()
        if fields.get("epoch") != str(epoch) or "cursor" not in fields:
            return None
        cursor, done = int(fields["cursor"]), int(fields["done"])
        return Checkpoint(fields.get("rules", ""), PlanMode(fields["mode"]), cursor, done)

    def was_empty(self) -> bool:
        """Whether the walk began with nothing scheduled, so that all that stands there is its own."""
        return self.read().get("was_empty") == "1"

    def read(self) -> dict[str, str]:
        """The hash as it is; empty when no walk has run."""
        return cast("dict[str, str]", self._redis.hgetall(keys.PROGRESS))

    def _set(self, epoch: int, **fields: str | int) -> None:
        # A walker that has been replaced, and does not know it yet, must not write into the hash of the next one.
        self._write(keys=[keys.PROGRESS], args=[epoch, *chain.from_iterable(fields.items())])
