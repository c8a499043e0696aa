"""A lock (redis-py's Lock) that all processes share and that expires if its holder stops renewing it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock


@contextmanager
def try_lock(redis: Redis, key: str, *, seconds: int) -> Iterator[Lock | None]:
    """Hold the lock `key` during the block. If another process holds it, yield None without waiting.

    The lock expires after `seconds`, so the block must call `reacquire` before that. `reacquire` raises
    LockNotOwnedError if the lock has expired or was deleted. The block must then stop writing, because
    another process may hold the lock.

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
        # If the lock has expired, don't release it, because another process may hold it now.
        with suppress(LockNotOwnedError):
            lock.release()
