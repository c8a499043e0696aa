"""Which users have sent a request lately, by any web process."""

import time
from threading import Lock
from typing import Final

from accounts import keys
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis

ACTIVE_SECONDS: Final = 300
# How often each process notes a user.
NOTED_EVERY_SECONDS: Final = 30.0

_noted_at: Final[dict[int, float]] = {}
_lock: Final = Lock()


def note(user_id: int) -> None:
    """Note that the user has sent a request just now. Sample: `accounts:active` zset 17 -> 1790000000."""
    now = time.monotonic()
    with _lock:
        if now - _noted_at.get(user_id, -NOTED_EVERY_SECONDS) < NOTED_EVERY_SECONDS:
            return
        _noted_at[user_id] = now
    with degraded_without_redis("an active user is not counted"):
        seconds, _ = for_web().time()
        for_web().zadd(keys.ACTIVE, {str(user_id): seconds})


def count() -> int:
    """Return how many users have sent a request in the last five minutes."""
    redis = for_web()
    seconds, _ = redis.time()
    redis.zremrangebyscore(keys.ACTIVE, "-inf", seconds - ACTIVE_SECONDS)
    return int(redis.zcard(keys.ACTIVE))
