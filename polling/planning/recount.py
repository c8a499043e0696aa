"""Recount the census soon after cards have changed, but rest after each recount to limit the load."""

import time
from collections.abc import Callable
from datetime import timedelta

from redis import Redis

from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys

# After a recount, rest 20 times as long as it ran, so that recounts run less than 5% of the time.
# A recount of a million cards takes about one second.
REST_FACTOR = 20
# A recount that takes longer than this is presumed dead, so another may begin.
MAX_DURATION = timedelta(minutes=2)


def cards_changed(redis: Redis) -> None:
    """Record that the census is out of date."""
    redis.incr(keys.CENSUS_CHANGES)


def watch(redis: Redis, *, send: Callable[[], object]) -> None:
    """Call `send` if cards have changed since the last recount, but not during a recount or its rest."""
    changes, counted, rests = redis.mget(keys.CENSUS_CHANGES, keys.CENSUS_COUNTED, keys.CENSUS_RESTS)
    if changes != counted and not rests:
        send()


def recount(redis: Redis) -> None:
    """Recount the census and publish the totals. Do nothing during another recount or its rest."""
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
        # Store the number of changes that was read before the recount, so that a change during the recount
        # causes another recount.
        redis.set(keys.CENSUS_COUNTED, changes)
    redis.pexpire(keys.CENSUS_RESTS, timedelta(seconds=(time.monotonic() - begun) * REST_FACTOR))
