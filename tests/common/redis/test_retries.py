"""When Redis is frozen, the first call waits for the timeout, and the calls after it fail immediately."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswerError

from common.redis import client, retries

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
    monkeypatch.setattr(retries, "FIRST_REST_SECONDS", 0.1)
    failing_seconds(frozen_redis)
    time.sleep(0.15)

    assert failing_seconds(frozen_redis) >= WAIT


def test_rests_double_up_to_five_seconds() -> None:
    assert [retries.rest_seconds(timeouts) for timeouts in range(5)] == [1, 2, 4, 5, 5]
    assert retries.rest_seconds(10_000) == retries.MAX_REST_SECONDS


def test_answer_ends_the_series_of_rests(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = retries.FailFast()
    monkeypatch.setattr(retries, "FIRST_REST_SECONDS", 0.01)
    for timeouts in (1, 2):
        with pytest.raises(NoAnswerError):
            policy.call_with_retry(time_out, lambda *_: None)
        assert policy._timeouts == timeouts
        time.sleep(0.05)

    policy.call_with_retry(lambda: 1, lambda *_: None)

    assert policy._timeouts == 0


def time_out() -> None:
    raise NoAnswerError


@pytest.mark.parametrize("make", [client.for_web, client.for_worker])
@pytest.mark.parametrize("use", ["command", "script", "pipeline"])
def test_connection_is_given_up_if_redis_refuses_to_work(
    redis: Redis, make: Callable[[], Redis], use: str
) -> None:
    own = make()
    before = own.client_id()
    assert own.client_id() == before
    redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(RedisError, match="NOREPLICAS"):
            if use == "command":
                own.set("x", 1)
            elif use == "script":
                own.eval("return redis.call('SET', KEYS[1], 1)", 1, "x")
            else:
                pipeline = own.pipeline()
                pipeline.set("x", 1)
                pipeline.execute()
    finally:
        redis.config_set("min-replicas-to-write", 0)

    assert own.client_id() != before


def test_connection_is_kept_after_a_fault_of_ours(redis: Redis) -> None:
    own = client.for_worker()
    own.set("text", "x")
    before = own.client_id()

    with pytest.raises(RedisError):
        own.incr("text")

    assert own.client_id() == before
