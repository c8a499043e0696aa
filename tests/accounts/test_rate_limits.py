"""Without Redis, a process counts requests in memory, by the same rule as Redis does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from redis import Redis
from redis.exceptions import RedisError

from accounts import rate_limits
from accounts.rate_limits import LocalRateLimiter, lowered
from common import metrics
from common.redis import counters
from common.redis.rate_limiter import Policy, RateLimiter

POLICY = Policy("reads", turns=5, seconds=60)


@pytest.mark.parametrize(("turns", "expected"), [(1200, 300), (10, 2), (4, 1), (3, 1), (1, 1)])
def test_limit_of_one_process_is_a_quarter(turns: int, expected: int) -> None:
    assert lowered(Policy("x", turns, 60)).turns == expected


def test_all_turns_can_be_taken_at_once_and_come_back_one_by_one() -> None:
    limiter = LocalRateLimiter()

    taken = [limiter.take("a", POLICY, now=0) for _ in range(6)]

    assert [turn.is_taken for turn in taken] == [True] * 5 + [False]
    assert [turn.left for turn in taken] == [4, 3, 2, 1, 0, 0]
    assert taken[-1].next_in == pytest.approx(12)
    assert taken[-1].all_back_in == pytest.approx(60)
    assert limiter.take("b", POLICY, now=0).is_taken
    assert not limiter.take("a", POLICY, now=11.9).is_taken
    assert limiter.take("a", POLICY, now=12.1).is_taken


def test_first_turns_are_the_same_as_in_redis(redis: Redis) -> None:
    local, shared = LocalRateLimiter(), RateLimiter(redis, "x", POLICY)

    for _ in range(7):
        mine, other = local.take("x", POLICY, now=0), shared.take()
        assert (mine.is_taken, mine.left) == (other.is_taken, other.left)
        assert mine.all_back_in == pytest.approx(other.all_back_in, abs=1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 40)), max_size=60))
def test_no_caller_gets_more_than_its_turns(requests: list[tuple[str, float]]) -> None:
    limiter, now = LocalRateLimiter(), 0.0
    taken: dict[str, list[float]] = {}
    for caller, pause in requests:
        now += pause
        if limiter.take(caller, POLICY, now=now).is_taken:
            taken.setdefault(caller, []).append(now)

    for times in taken.values():
        for first in times:
            # A burst of all turns, and those that have come back since.
            most = POLICY.turns + POLICY.turns
            assert sum(first <= moment < first + POLICY.seconds for moment in times) <= most


def test_callers_that_were_silent_longest_are_forgotten() -> None:
    limiter = LocalRateLimiter(max_callers=2)
    for caller in ("a", "b", "a", "c"):
        limiter.take(caller, POLICY, now=0)

    assert limiter.take("a", POLICY, now=0).left == 2
    assert limiter.take("b", POLICY, now=0).left == 4


@pytest.mark.django_db
def test_refused_requests_are_counted_and_logged(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    counters.begin_again_after_restart(redis)
    policy = Policy("writes", turns=1, seconds=60)
    for _ in range(3):
        rate_limits.take(policy, "key", user=7)

    assert rate_limits.refused() == {"writes": 2}
    assert 'simwatch_rate_limited_requests_total{limit="writes"} 2.0' in metrics.exposition().decode()
    logged = [record.msg for record in caplog.records if "rate_limited" in str(record.msg)]
    assert len(logged) == 2
    assert "'user': 7" in str(logged[0])


def test_counting_without_redis_can_be_switched_off(frozen_redis: Redis, settings: Settings) -> None:
    settings.ACCOUNTS = replace(settings.ACCOUNTS, count_without_redis=False)

    with pytest.raises(RedisError):
        rate_limits.take(POLICY, "key")

    settings.ACCOUNTS = replace(settings.ACCOUNTS, count_without_redis=True)
    assert rate_limits.take(POLICY, "key").is_taken
