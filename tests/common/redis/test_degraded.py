import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from common.redis.degraded import redis_may_be_away


def test_the_block_is_left_and_the_log_says_what_is_missing() -> None:
    nowhere = Redis(port=1, socket_connect_timeout=1)
    with capture_logs() as told, redis_may_be_away("limits are not in force yet", gateway=7) as absence:
        nowhere.ping()

    assert absence.is_so
    assert told == [
        {
            "event": "redis_was_away",
            "left_out": "limits are not in force yet",
            "gateway": 7,
            "log_level": "warning",
        }
    ]


def test_nothing_is_said_while_redis_answers(redis: Redis) -> None:
    with capture_logs() as told, redis_may_be_away("anything") as absence:
        redis.ping()

    assert (absence.is_so, told) == (False, [])


def test_other_errors_are_raised(redis: Redis) -> None:
    redis.set("text", "x")
    with pytest.raises(ResponseError), redis_may_be_away("anything"):
        redis.incr("text")
    with pytest.raises(ZeroDivisionError), redis_may_be_away("anything"):
        try:
            raise RedisAway
        except RedisAway:
            pass
        raise ZeroDivisionError
