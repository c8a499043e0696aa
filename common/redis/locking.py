"""A lock shared by all processes, which expires when its holder stops renewing it: redis-py's Lock."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock


@contextmanager
def try_lock(redis: Redis, key: str, *, seconds: int) -> Iterator[Lock | None]:
    """Hold the lock `key` during the block; yield None at once when another process holds it.

    The lock expires after `seconds`, so the block calls `reacquire` more often than that. `reacquire` raises
    LockNotOwnedError when the lock has expired or was deleted: another process may hold it, so stop writing.

    Example::

        with try_lock(redis, keys.SEEDER, seconds=30) as lock:
            if lock is None:
                return
            for step in steps:
                lock.reacquire()
    """
    lock: Lock = redis.lock(key, timeout=seconds, blocking=False)
    if not lock.acquire():
        yield None
        return
    try:
        yield lock
    finally:
        # A lock that was lost meanwhile belongs to another process, and is left to it.
        with suppress(LockNotOwnedError):
            lock.release()
