"""Redis is frozen, and many ask: one of them waits, the others are told at once."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings
from redis import Redis
from redis.exceptions import RedisError

from common.redis import client, impatience

WAIT = client.WEB_TIMEOUT_SECONDS


@pytest.fixture
def frozen(settings: Settings) -> Iterator[Redis]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        settings.REDIS_URL = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        client.for_web.cache_clear()
        yield client.for_web()
    client.for_web.cache_clear()


def seconds_of(redis: Redis) -> float:
    begun = time.perf_counter()
    with pytest.raises(RedisError):
        redis.get("x")
    return time.perf_counter() - begun


def test_who_comes_after_one_that_waited_does_not_wait(frozen: Redis) -> None:
    assert seconds_of(frozen) >= WAIT

    assert max(seconds_of(frozen) for _ in range(20)) < WAIT / 4


def test_of_many_at_once_nobody_waits_twice(frozen: Redis) -> None:
    begun = time.perf_counter()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(seconds_of, [frozen] * 80))

    assert time.perf_counter() - begun < 2 * WAIT


def test_it_is_asked_again_after_a_moment(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, settings: Settings, frozen: Redis
) -> None:
    monkeypatch.setattr(impatience, "REST_SECONDS", 0.1)
    seconds_of(frozen)
    time.sleep(0.15)

    assert seconds_of(frozen) >= WAIT
