"""The mark that a wake-up is pending, so that busy workers do not pile up messages."""

from redis import Redis

from polling.schedule import keys

# A message may be lost with the worker that received it; the next one is sent this much later.
PENDING_SECONDS = 5


class WakeUp:
    """Allows one wake-up every few seconds while none has arrived; all workers share it.

    Example::

        pending = WakeUp(redis)
        if pending.mark():
            drain.delay()
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def mark(self) -> bool:
        """Mark a wake-up as pending. Return False when one is pending already: then send none."""
        return bool(self._redis.set(keys.WAKE_UP_PENDING, 1, nx=True, ex=PENDING_SECONDS))

    def clear(self) -> None:
        """Clear the mark: a drain has started, or the wake-up could not be sent."""
        self._redis.delete(keys.WAKE_UP_PENDING)
