import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from common.redis.rate_limiter import HORIZON_SECONDS, Policy, Rate, RateLimiter


@pytest.fixture
def rate(redis: Redis) -> Rate:
    return Rate(redis, "turn")


def test_first_turn_begins_now_and_others_follow_at_the_rate(rate: Rate) -> None:
    turns = rate.reserve(3, per_second=10)

    assert (turns.count, turns.first, turns.apart) == (3, 0, 0.1)
    assert turns.next_free == pytest.approx(0.3, abs=0.001)


def test_turns_of_several_callers_do_not_overlap(rate: Rate, redis: Redis) -> None:
    rate.reserve(3, per_second=10)

    second = Rate(redis, "turn").reserve(2, per_second=10)

    assert second.count == 2
    assert second.first == pytest.approx(0.3, abs=0.05)


def test_reservations_end_at_the_horizon_with_the_next_free_turn(rate: Rate) -> None:
    turns = rate.reserve(1000, per_second=50)
    rest = rate.reserve(1000, per_second=50)

    assert turns.count == HORIZON_SECONDS * 50 + 1
    assert rest.count <= 2
    assert rest.next_free > HORIZON_SECONDS


def test_unused_turns_are_not_saved_up(rate: Rate) -> None:
    rate.reserve(1, per_second=100)
    time.sleep(0.1)

    turns = rate.reserve(2, per_second=100)

    assert (turns.first, turns.count) == (0, 2)


def test_rate_of_one_per_second_has_one_turn_each_second(rate: Rate) -> None:
    assert rate.reserve(5, per_second=1).count == 1
    assert rate.reserve(5, per_second=1).count == 0


def test_clock_set_back_closes_rate_for_seconds_only(rate: Rate, redis: Redis) -> None:
    redis.set("turn", int((time.time() + 3600) * 1_000_000))

    turns = rate.reserve(1, per_second=2)

    assert turns.next_free < HORIZON_SECONDS + 2


def test_reserving_no_turns_changes_nothing(rate: Rate, redis: Redis) -> None:
    assert rate.reserve(0, per_second=5).count == 0

    assert not redis.exists("turn")


def test_limiter_allows_a_burst_and_then_its_rate(redis: Redis) -> None:
    limiter = RateLimiter(redis, "quota", Policy("test", turns=3, seconds=1))

    taken = [limiter.take() for _ in range(4)]

    assert [turn.is_taken for turn in taken] == [True, True, True, False]
    assert [turn.left for turn in taken] == [2, 1, 0, 0]
    assert taken[0].next_in == 0
    assert 0 < taken[3].next_in <= 1 / 3
    assert 0.9 < taken[3].all_back_in <= 1
    time.sleep(taken[3].next_in + 0.01)
    assert limiter.take().is_taken


def test_limiter_is_atomic_over_concurrent_callers(redis: Redis) -> None:
    policy = Policy("test", turns=50, seconds=3600)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: RateLimiter(redis, "quota", policy).take().is_taken, range(200)))

    assert sum(taken) == 50


def test_clock_set_back_closes_limiter_for_its_window_at_most(redis: Redis) -> None:
    redis.set("quota", 4_000_000_000_000_000)

    turn = RateLimiter(redis, "quota", Policy("test", turns=2, seconds=10)).take()

    assert not turn.is_taken
    assert turn.next_in <= 5
