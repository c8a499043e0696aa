"""After the clock of Redis was ahead and is set right, nothing waits until the wrong time is reached."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError

from carriers import keys as gateway_keys
from carriers.breakers import LONGEST_HOLD, LONGEST_REST, Breakers, Tally
from carriers.limits import slots_of
from common.redis.rate_limiter import Policy, Rate, RateLimiter
from common.redis.semaphore import LEASE_SECONDS
from polling.checks.registry import CHECKS
from polling.engine import wake_ups
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Schedule
from tests.support.draining import TYPE
from tests.support.scanning import planned, run_seeder

AHEAD = 7200
GATEWAY = 1


def set_back(redis: Any) -> None:
    """Change everything that Redis holds as if its clock had been ahead until now.

    Every time in a value, a score or an expiry is recognised by its size, so that no key can be left out.
    """
    now = redis.time()[0]
    for key in redis.keys("*"):
        kind = redis.type(key)
        if kind == "zset":
            for member, score in redis.zrange(key, 0, -1, withscores=True):
                redis.zadd(key, {member: _later(score, now)})
        elif kind == "hash":
            for field, value in redis.hgetall(key).items():
                redis.hset(key, field, "|".join(str(_later(part, now)) for part in value.split("|")))
        elif kind == "string":
            redis.set(key, str(_later(redis.get(key), now)), keepttl=True)
        if (left := redis.pttl(key)) > 0:
            redis.pexpire(key, left + AHEAD * 1000)


def _later(value: object, now: int) -> object:
    """Return a time, in seconds or parts of a second, that is later by `AHEAD`. Return anything else as it is."""
    try:
        number = float(str(value))
    except ValueError:
        return value
    for unit in (1, 1000, 1_000_000):
        if abs(number / unit - now) < timedelta(days=30).total_seconds():
            return number + AHEAD * unit if "." in str(value) else int(number) + AHEAD * unit
    return value


def tick(redis: Redis) -> list[str]:
    sent: list[str] = []
    wake_ups.wake_up(redis, send_drain=lambda: sent.append("drain"), send_seed=lambda: sent.append("seed"))
    return sent


@pytest.mark.django_db
def test_schedule_is_built_again_by_the_new_time(redis: Redis) -> None:
    cards = planned(redis, 50)
    schedule = Schedule(redis, TYPE)
    schedule.hasten([(cards[0].pk, 0.0)])
    schedule.claim(1, ttl=timedelta(seconds=60), holder="elsewhere:1:2-3")
    assert tick(redis) == ["drain"]
    set_back(redis)

    assert tick(redis) == ["seed", "drain"]
    run_seeder(redis)

    assert Epoch(redis).is_complete()
    longest = {
        due_in
        for check_type in CHECKS
        for page in Schedule(redis, check_type).pages()
        for due_in in page.values()
    }
    assert max(longest) < AHEAD
    place = schedule.place_of(cards[0].pk)
    assert place.due_in is not None
    assert place.due_in < timedelta(seconds=11)
    assert tick(redis) == []


@pytest.mark.django_db
def test_start_that_was_cut_off_is_repeated(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(redis, 5)
    tick(redis)
    set_back(redis)
    with monkeypatch.context() as patch, pytest.raises(NoConnectionError):
        patch.setattr("polling.planning.seed.drop", cut_off)
        tick(redis)

    assert "seed" in tick(redis)


def cut_off(_: Redis) -> None:
    raise NoConnectionError


@pytest.mark.django_db
def test_small_correction_changes_nothing(redis: Redis) -> None:
    planned(redis, 5)
    tick(redis)
    redis.incrby(keys.TICKED_AT, 30)
    before = redis.zrange(keys.queue(TYPE), 0, -1, withscores=True)

    tick(redis)

    assert redis.zrange(keys.queue(TYPE), 0, -1, withscores=True) == before


def open_breaker(redis: Redis) -> None:
    Breakers(redis).report({GATEWAY: Tally(failed=20)})


def ask_for_rest(redis: Redis) -> None:
    Breakers(redis).report({GATEWAY: Tally(hold=LONGEST_HOLD)})


def ask_for_long_rest(redis: Redis) -> None:
    Breakers(redis).report({GATEWAY: Tally(hold=LONGEST_REST)})


@pytest.mark.parametrize("close", [open_breaker, ask_for_rest, ask_for_long_rest])
def test_gateway_does_not_rest_until_the_wrong_time(redis: Redis, close: Callable[[Redis], None]) -> None:
    close(redis)
    assert Breakers(redis).rests([GATEWAY])
    set_back(redis)

    rest = Breakers(redis).rests([GATEWAY]).get(GATEWAY)

    assert rest is None or rest.left == timedelta()
    assert Breakers(redis).take_trial(GATEWAY) == (rest is not None and rest.is_open)
    ask_for_rest(redis)
    if rest is None:
        assert timedelta() < Breakers(redis).rests([GATEWAY])[GATEWAY].left <= LONGEST_HOLD


def test_failures_of_the_wrong_time_open_no_breaker(redis: Any) -> None:
    Breakers(redis).report({GATEWAY: Tally(answered=2, failed=9)})
    bucket = next(field for field in redis.hkeys(gateway_keys.breaker(GATEWAY)) if field.startswith("failed"))
    for result, calls in (("answered", 2), ("failed", 9)):
        redis.hset(gateway_keys.breaker(GATEWAY), f"{result}:{int(bucket.split(':')[1]) + 2880}", calls)

    assert Breakers(redis).report({GATEWAY: Tally(answered=5)}) == {}


def test_slots_of_the_wrong_time_become_free(redis: Any) -> None:
    pool = slots_of(redis, GATEWAY)
    pool.set_limit(3)
    pool.take(3)
    set_back(redis)
    pool.set_limit(3)

    assert pool.take(1).members == []

    ends = [score for _, score in redis.zrange(gateway_keys.slots(GATEWAY), 0, -1, withscores=True)]
    assert max(ends) <= (redis.time()[0] + 1 + LEASE_SECONDS) * 1000


def test_rates_do_not_wait_for_the_wrong_time(redis: Redis) -> None:
    policy = Policy("test", turns=2, seconds=10)
    RateLimiter(redis, "quota", policy).take()
    Rate(redis, "turn").reserve(1, per_second=10)
    set_back(redis)

    assert RateLimiter(redis, "quota", policy).take().next_in <= 10
    assert Rate(redis, "turn").reserve(1, per_second=10).next_free < 3
