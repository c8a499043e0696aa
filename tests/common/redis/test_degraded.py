import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from common.redis.degraded import degraded_without_redis


def test_outage_leaves_the_block_and_logs_what_was_left_out(unreachable: Redis) -> None:
    with (
        capture_logs() as events,
        degraded_without_redis("limits are not in force yet", gateway=7) as degraded,
    ):
        unreachable.ping()

    assert degraded.is_on
    assert events == [
        {
            "event": "redis_was_away",
            "left_out": "limits are not in force yet",
            "gateway": 7,
            "log_level": "warning",
        }
    ]


def test_nothing_is_logged_while_redis_answers(redis: Redis) -> None:
    with capture_logs() as events, degraded_without_redis("anything") as degraded:
        redis.ping()

    assert (degraded.is_on, events) == (False, [])


def test_other_errors_are_raised(redis: Redis) -> None:
    redis.set("text", "x")
    with pytest.raises(ResponseError), degraded_without_redis("anything"):
        redis.incr("text")
    with pytest.raises(ZeroDivisionError), degraded_without_redis("anything"):
        try:
            raise RedisAway
        except RedisAway:
            pass
        raise ZeroDivisionError
