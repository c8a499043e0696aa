"""The progress of seeding: for operators, and for the process that continues an interrupted scan."""

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
    """How far a scan has come.

    All cards up to the id `cursor`, `done` in number, are planned in `mode` by the rules with the fingerprint
    `rules`.
    """

    rules: str
    mode: PlanMode = PlanMode.NEW_ONLY
    cursor: int = 0
    done: int = 0


class SeedProgress:
    """A hash that operators read. One process at a time writes it: the one that holds the lock `keys.SEEDER`.

    Sample: `status running, total 1000000, done 240000, percent 24, started_at 2026-01-31T08:00:00+00:00,
    error, epoch 7, was_empty 1, cursor 240963, mode NX, rules 3f1c...`.

    Example::

        progress = SeedProgress(redis)
        checkpoint = progress.unfinished(epoch) or Checkpoint(rules)
        progress.report(checkpoint, epoch=epoch)
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._write = scripts.load(redis, __file__, "write_progress")

    def begin(self, *, epoch: int, total: int, was_empty: bool, now: datetime) -> None:
        """Record that a scan of about `total` cards begins; `was_empty`: nothing was scheduled before."""
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
        """Record how far the scan of this epoch has come."""
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
        """Record that the scan has stopped; the next process continues from its last checkpoint."""
        self._set(epoch, status="failed", error=error)

    def finish(self, *, epoch: int, done: int, now: datetime) -> None:
        """Record that the scan has ended; `done` cards were scanned."""
        self._set(epoch, status="finished", total=done, done=done, percent=100, finished_at=now.isoformat())

    def unfinished(self, epoch: int) -> Checkpoint | None:
        """Return where the scan of this epoch stopped; None when it has planned nothing, or is unknown."""
        fields = self.read()
        if fields.get("epoch") != str(epoch) or "cursor" not in fields:
            return None
        cursor, done = int(fields["cursor"]), int(fields["done"])
        return Checkpoint(fields.get("rules", ""), PlanMode(fields["mode"]), cursor, done)

    def was_empty(self) -> bool:
        """Return whether the schedule was empty before the scan, so that all of it is the scan's own."""
        return self.read().get("was_empty") == "1"

    def read(self) -> dict[str, str]:
        """Return the hash as it is; empty when no scan has run."""
        return cast("dict[str, str]", self._redis.hgetall(keys.PROGRESS))

    def _set(self, epoch: int, **fields: str | int) -> None:
        # A scan that was replaced, and has not noticed it yet, must not write into the hash of its successor.
        self._write(keys=[keys.PROGRESS], args=[epoch, *chain.from_iterable(fields.items())])
