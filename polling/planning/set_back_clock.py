"""Notice that the clock of the Redis server was set back, and build the schedule again by the new time.

All times in the schedule follow that clock, so while it was ahead, every card was planned too late.
"""

import structlog
from redis import Redis

from polling.checks.registry import CHECKS
from polling.planning import seed
from polling.schedule import keys
from polling.schedule.schedule import Schedule

# A smaller step delays cards by no more than this, which costs less than a new schedule.
TOLERATED_SECONDS = 60
# These keys expire by Redis' clock, so they would block their work for as long as the clock was ahead.
_MARKS = (keys.WAKE_UP_PENDING, keys.RUN_RESTS, keys.RECONCILER, keys.CENSUS_RESTS, keys.LATENESS_RESTS)

log = structlog.get_logger(__name__)


def notice(redis: Redis) -> None:
    """Note the time of a tick. Start over if it is more than a minute earlier than that of the last tick."""
    now = int(redis.time()[0])
    last = redis.get(keys.TICKED_AT)
    if last is not None and int(str(last)) - now > TOLERATED_SECONDS:
        log.warning("redis_clock_was_set_back", seconds=int(str(last)) - now)
        _start_over(redis)
    # Write the time last: if this process dies before, the next tick starts over.
    redis.set(keys.TICKED_AT, now)


def _start_over(redis: Redis) -> None:
    """Drop the schedule, so that it is built again, and let claims and marks end that would last too long."""
    for check_type in CHECKS:
        Schedule(redis, check_type.value).expire_claims(None)
    redis.delete(*_MARKS)
    seed.drop(redis)
