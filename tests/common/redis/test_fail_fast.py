"""Redis is frozen, and many ask: one of them waits, the others are told at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import RedisError

from common.redis import client, fail_fast

WAIT = client.WEB_TIMEOUT_SECONDS


def seconds_of(redis: Redis) -> float:
    begun = time.perf_counter()
    with pytest.raises(RedisError):
        redis.get("x")
    return time.perf_counter() - begun


def test_who_comes_after_one_that_waited_does_not_wait(frozen_redis: Redis) -> None:
    assert seconds_of(frozen_redis) >= WAIT

    assert max(seconds_of(frozen_redis) for _ in range(20)) < WAIT / 4


def test_of_many_at_once_nobody_waits_twice(frozen_redis: Redis) -> None:
    begun = time.perf_counter()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(seconds_of, [frozen_redis] * 80))

    assert time.perf_counter() - begun < 2 * WAIT


def test_it_is_asked_again_after_a_moment(monkeypatch: pytest.MonkeyPatch, frozen_redis: Redis) -> None:
    monkeypatch.setattr(fail_fast, "REST_SECONDS", 0.1)
    seconds_of(frozen_redis)
    time.sleep(0.15)

    assert seconds_of(frozen_redis) >= WAIT
