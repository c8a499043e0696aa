"""The clocks of all machines, compared with the clock of the Redis server.

Decisions follow the clocks of PostgreSQL and Redis. A wrong clock on a machine still does harm: gateways refuse
signatures with its time, and its log misleads.
"""

import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from redis import Redis

from common import database
from common.outages import Server, server_of
from common.redis import keys
from common.redis.client import for_web

READ_EVERY_SECONDS = 10
# A machine that has not compared its clock for this long no longer counts.
FORGET_SECONDS = 60
# Time synchronisation keeps clocks within milliseconds, and asking Redis takes at most a few seconds.
TOLERATED_SECONDS = 5
_HERE: Final = f"machine {socket.gethostname()}"


class ServerClock:
    """Redis' clock, for times on which several machines must agree.

    It asks Redis every ten seconds, and counts on by the monotonic clock. While Redis is away it goes on; before
    the first answer it shows this machine's time. Each answer is also noted for `differences`.
    """

    def __init__(self) -> None:
        self._ahead_of_monotonic = time.time() - time.monotonic()
        self._asks_at = 0.0

    def now(self) -> datetime:
        """Return the time, with an error of as long as Redis took to answer."""
        if time.monotonic() >= self._asks_at:
            self._asks_at = time.monotonic() + READ_EVERY_SECONDS
            self._ask()
        return datetime.fromtimestamp(time.monotonic() + self._ahead_of_monotonic, UTC)

    def _ask(self) -> None:
        try:
            seen = note(for_web())
        except Exception as error:
            if server_of(error) is not Server.REDIS:
                raise
        else:
            self._ahead_of_monotonic = seen - time.monotonic()


server_clock: Final = ServerClock()


def note(redis: Redis) -> float:
    """Compare this machine's clock with that of Redis, and note the difference in Redis. Return Redis' time."""
    now = redis_now(redis)
    redis.hset(keys.CLOCKS, _HERE, f"{time.time() - now:.3f}|{now:.3f}")
    return now


def differences(redis: Redis) -> dict[str, float]:
    """Return by how many seconds each clock is ahead of Redis' clock: PostgreSQL's and those of all machines.

    Forget machines that have not compared their clocks for a minute.
    """
    now = note(redis)
    found = {"PostgreSQL": (database.now() - datetime.fromtimestamp(now, UTC)) / timedelta(seconds=1)}
    for machine, noted in cast("dict[str, str]", redis.hgetall(keys.CLOCKS)).items():
        ahead, at = _parsed(noted)
        if abs(now - at) > FORGET_SECONDS:
            redis.hdel(keys.CLOCKS, machine)
        else:
            found[machine] = ahead
    return found


def _parsed(noted: str) -> tuple[float, float]:
    """Return by how much a clock was ahead, and when; a time long ago if that cannot be read."""
    try:
        ahead, at = map(float, noted.split("|"))
    except ValueError:
        return 0.0, 0.0
    return ahead, at


def disagreement(differences: Mapping[str, float]) -> str | None:
    """Say which clocks are wrong, in words; return None if all agree. Pure.

    `differences` are those that `differences` returns. The time that most clocks show counts as right, and Redis'
    time if there is no majority.
    """
    clocks = {"Redis": 0.0, **differences}
    median = sorted(clocks.values())[len(clocks) // 2]
    agreeing = sum(abs(ahead - median) <= TOLERATED_SECONDS for ahead in clocks.values())
    right = median if 2 * agreeing > len(clocks) else 0.0
    wrong = [
        f"{name} is {abs(ahead - right):,.0f} s {'ahead' if ahead > right else 'behind'}"
        for name, ahead in clocks.items()
        if abs(ahead - right) > TOLERATED_SECONDS
    ]
    spread = max(clocks.values()) - min(clocks.values())
    return f"the clocks differ by {spread:,.0f} s: {', '.join(wrong)}" if wrong else None


def redis_now(redis: Redis) -> float:
    """Return the unix time of Redis' clock. All times in Redis follow that clock."""
    seconds, microseconds = redis.time()
    return seconds + microseconds / 1_000_000
