"""The mark that a wake-up is pending. It keeps messages from piling up while all workers are busy."""

from redis import Redis

from polling.schedule import keys

# Allow another message after this time, because a worker that died may have lost the previous one.
PENDING_SECONDS = 5


class WakeUp:
    """Allows another wake-up only after the last one has arrived, or after PENDING_SECONDS.

    While runs rest after failures, it allows none (see `run_failures`). All workers share the mark.

    Example::

        pending = WakeUp(redis)
        if pending.mark():
            drain.delay()
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def mark(self) -> bool:
        """Mark a wake-up as pending. Return False if it must not be sent: one is pending already, or runs rest."""
        if self._redis.exists(keys.RUN_RESTS):
            return False
        return bool(self._redis.set(keys.WAKE_UP_PENDING, 1, nx=True, ex=PENDING_SECONDS))

    def clear(self) -> None:
        """Clear the mark, because a drain has started or because the wake-up could not be sent."""
        self._redis.delete(keys.WAKE_UP_PENDING)
