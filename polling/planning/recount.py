"""Cards changed: the census counts them anew. At once, but a large fleet is not counted all the time."""

import time
from collections.abc import Callable
from datetime import timedelta

from redis import Redis

from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys

# Counting takes a twentieth of the time at most: about a second at a million cards.
REST = 20
# Who is silent for so long has died at it.
LONGEST = timedelta(minutes=2)


def cards_changed(redis: Redis) -> None:
    """Note that the census has aged."""
    redis.incr(keys.CENSUS_CHANGES)


def watch(redis: Redis, *, send: Callable[[], object]) -> None:
    """Send for a recount when cards have changed since the last one."""
    changes, counted, rests = redis.mget(keys.CENSUS_CHANGES, keys.CENSUS_COUNTED, keys.CENSUS_RESTS)
    if changes != counted and not rests:
        send()


def recount(redis: Redis) -> None:
    """Count, unless somebody does or has just done."""
    if not redis.set(keys.CENSUS_RESTS, 1, nx=True, px=LONGEST):
        return
    begun, changes = time.monotonic(), redis.get(keys.CENSUS_CHANGES)
    try:
        census.refresh(Rules.in_force(redis))
        census.publish(redis)
    except Exception:
        redis.delete(keys.CENSUS_RESTS)
        raise
    if changes is not None:
        # As read before counting: what has changed since is counted next time.
        redis.set(keys.CENSUS_COUNTED, changes)
    redis.pexpire(keys.CENSUS_RESTS, timedelta(seconds=(time.monotonic() - begun) * REST))
