"""Recount the census after cards have changed: soon, but only for a small share of the time."""

import time
from collections.abc import Callable
from datetime import timedelta

from redis import Redis

from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys

# Rest 20 times as long as counting took, so that counting takes a twentieth of the time at most.
# A count takes about a second at a million cards.
REST_FACTOR = 20
# A recount that takes longer than this is presumed dead, and another may begin.
MAX_DURATION = timedelta(minutes=2)


def cards_changed(redis: Redis) -> None:
    """Record that the census is out of date."""
    redis.incr(keys.CENSUS_CHANGES)


def watch(redis: Redis, *, send: Callable[[], object]) -> None:
    """Call `send` when cards have changed since the last recount and no rest is in force."""
    changes, counted, rests = redis.mget(keys.CENSUS_CHANGES, keys.CENSUS_COUNTED, keys.CENSUS_RESTS)
    if changes != counted and not rests:
        send()


def recount(redis: Redis) -> None:
    """Recount the census and publish the totals, unless a recount runs or has just ended."""
    if not redis.set(keys.CENSUS_RESTS, 1, nx=True, px=MAX_DURATION):
        return
    begun, changes = time.monotonic(), redis.get(keys.CENSUS_CHANGES)
    try:
        census.refresh(Rules.in_force(redis))
        census.publish(redis)
    except Exception:
        redis.delete(keys.CENSUS_RESTS)
        raise
    if changes is not None:
        # The value from before counting: cards that changed during the count are counted next time.
        redis.set(keys.CENSUS_COUNTED, changes)
    redis.pexpire(keys.CENSUS_RESTS, timedelta(seconds=(time.monotonic() - begun) * REST_FACTOR))
