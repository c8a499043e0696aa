"""The progress of seeding. Operators read it, and another process uses it to continue an interrupted scan."""

from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import cast

from redis import Redis

from common.redis import scripts
from polling.schedule import keys
from polling.schedule.schedule import PlanMode

# The type of a mapping in redis-py. It is invariant in its keys, so dict[str, int] does not match it.
Fields = dict[
    bytes | bytearray | memoryview | str | int | float, bytes | bytearray | memoryview | str | int | float
]


@dataclass(frozen=True)
class Checkpoint:
    """How far a scan has come.

    The scan has planned all cards up to the id `cursor`; their number is `done`. It planned them in `mode` by
    the rules whose fingerprint is `rules`.
    """

    rules: str
    mode: PlanMode = PlanMode.NEW_ONLY
    cursor: int = 0
    done: int = 0


class SeedProgress:
    """A hash that operators read. Only the process that holds the lock `keys.SEEDER` writes it.

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
        """Record that a scan of about `total` cards begins.

        `was_empty` is whether the schedule was empty before.
        """
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
        """Record that the scan has failed. The next process continues from the scan's last checkpoint."""
        self._set(epoch, status="failed", error=error)

    def finish(self, *, epoch: int, done: int, now: datetime) -> None:
        """Record that the scan has ended after `done` cards."""
        self._set(epoch, status="finished", total=done, done=done, percent=100, finished_at=now.isoformat())

    def unfinished(self, epoch: int) -> Checkpoint | None:
        """Return the last checkpoint of the scan of this epoch; None if there is none."""
        fields = self.read()
        if fields.get("epoch") != str(epoch) or "cursor" not in fields:
            return None
        cursor, done = int(fields["cursor"]), int(fields["done"])
        return Checkpoint(fields.get("rules", ""), PlanMode(fields["mode"]), cursor, done)

    def was_empty(self) -> bool:
        """Return whether the schedule was empty before the scan. If so, the scan planned every card in it."""
        return self.read().get("was_empty") == "1"

    def counts(self) -> dict[str, int]:
        """Return how many cards are done, of how many, and the percentage."""
        found = self.read()
        return {name: int(found.get(name, 0)) for name in ("done", "total", "percent")}

    def read(self) -> dict[str, str]:
        """Return the hash with its values as text; empty if no scan has run."""
        return cast("dict[str, str]", self._redis.hgetall(keys.PROGRESS))

    def _set(self, epoch: int, **fields: str | int) -> None:
        # The script checks the epoch, because a scan that was replaced must not overwrite the progress of its
        # successor.
        self._write(keys=[keys.PROGRESS], args=[epoch, *chain.from_iterable(fields.items())])
