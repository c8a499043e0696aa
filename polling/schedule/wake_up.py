"""The mark that a wake-up is on its way, so that busy workers do not collect a heap of them."""

from redis import Redis

from polling.schedule import keys

# A message may be lost with the worker that had it; then the next one goes out this much later.
PENDING_SECONDS = 5


class WakeUp:
    """At most one is sent every few seconds while none has arrived."""

    def __init__(self, redis: Redis) -> None:
        """One for all workers."""
        self._redis = redis

    def mark(self) -> bool:
        """Whether a wake-up may be sent: none is pending."""
        return bool(self._redis.set(keys.WAKE_UP_PENDING, 1, nx=True, ex=PENDING_SECONDS))

    def clear(self) -> None:
        """A drain has started, or the wake-up could not be sent."""
        self._redis.delete(keys.WAKE_UP_PENDING)
