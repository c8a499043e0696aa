"""Counters in Redis that Prometheus reads. After a restart, Redis may have an older state, with smaller numbers.

Prometheus takes a counter that has become smaller for one that has begun again at 0, and would add all of it
once more. So all counters begin at 0 when Redis has restarted, or a replica has taken over.
"""

from collections.abc import Callable
from typing import Final, cast

from redis import Redis

from common.redis import keys

Reset = Callable[[Redis], object]

_resets: Final[list[Reset]] = []


def register(reset: Reset) -> None:
    """Add a function that sets an app's counters to 0. Call this from `AppConfig.ready`."""
    _resets.append(reset)


def begin_again_after_restart(redis: Redis) -> None:
    """Set all counters to 0 if they began on another server, or before the server's last start."""
    if not are_current(redis):
        for reset in _resets:
            reset(redis)
        redis.set(keys.COUNTED_ON, _server(redis))


def are_current(redis: Redis) -> bool:
    """Return whether the counters began on this server, after its last start. Others must not be exported."""
    return redis.get(keys.COUNTED_ON) == _server(redis)


def _server(redis: Redis) -> str:
    return str(cast("dict[str, object]", redis.info("server"))["run_id"])
