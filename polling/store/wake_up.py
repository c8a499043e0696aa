"""The mark that a wake-up is on its way, so that busy workers do not collect a heap of them."""

from redis import Redis

from polling.store import keys

# As long as a wake-up message lives.
PENDING_SECONDS = 60


class WakeUp:
    """At most one is pending. A mark that nobody cleared ends with the message."""

    def __init__(self, redis: Redis) -> None:
        """One for all workers."""
        self._redis = redis

    def mark(self) -> bool:
        """Whether a wake-up may be sent: none is pending."""
        return bool(self._redis.set(keys.WAKE_UP_PENDING, 1, nx=True, ex=PENDING_SECONDS))

    def clear(self) -> None:
        """A drain has started."""
        self._redis.delete(keys.WAKE_UP_PENDING)
