"""When Redis is frozen, the first call waits for the timeout, and the calls after it fail immediately."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import RedisError

from common.redis import client, fail_fast

WAIT = client.WEB_TIMEOUT_SECONDS


def failing_seconds(redis: Redis) -> float:
    started = time.perf_counter()
    with pytest.raises(RedisError):
        redis.get("x")
    return time.perf_counter() - started


def test_calls_after_a_timeout_fail_immediately(frozen_redis: Redis) -> None:
    assert failing_seconds(frozen_redis) >= WAIT

    assert max(failing_seconds(frozen_redis) for _ in range(20)) < WAIT / 4


def test_concurrent_callers_wait_for_one_timeout_only(frozen_redis: Redis) -> None:
    started = time.perf_counter()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(failing_seconds, [frozen_redis] * 80))

    assert time.perf_counter() - started < 2 * WAIT


def test_redis_is_asked_again_after_the_rest(monkeypatch: pytest.MonkeyPatch, frozen_redis: Redis) -> None:
    monkeypatch.setattr(fail_fast, "REST_SECONDS", 0.1)
    failing_seconds(frozen_redis)
    time.sleep(0.15)

    assert failing_seconds(frozen_redis) >= WAIT
