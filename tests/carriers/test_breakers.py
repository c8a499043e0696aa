import time
from datetime import timedelta

import pytest
from redis import Redis

from carriers import keys
from carriers.breakers import BUCKET_MS, BUCKETS, LONGEST_REST, RECENT_BUCKETS, REST, Breakers, Tally

GATEWAY = 7
WELL = Tally(answered=10)
SICK = Tally(failed=10)


@pytest.fixture
def breakers(redis: Redis) -> Breakers:
    return Breakers(redis)


def rest_is_over(redis: Redis) -> None:
    redis.hset(keys.breaker(GATEWAY), "probe_at", 1)


def test_a_gateway_that_answers_is_closed(breakers: Breakers) -> None:
    for _ in range(5):
        assert breakers.report({GATEWAY: WELL}) == {}


@pytest.mark.parametrize(
    ("answered", "failed", "opens"),
    [(0, 19, False), (0, 20, True), (10, 10, True), (11, 10, False), (1000, 999, False), (20, 0, False)],
)
def test_half_of_twenty_calls_must_fail(
    breakers: Breakers, answered: int, failed: int, *, opens: bool
) -> None:
    rests = breakers.report({GATEWAY: Tally(answered, failed)})

    assert [rest.is_open for rest in rests.values()] == [True] * opens


def test_calls_of_many_reports_and_processes_are_counted_together(breakers: Breakers, redis: Redis) -> None:
    assert breakers.report({GATEWAY: SICK}) == {}

    rest = Breakers(redis).report({GATEWAY: SICK})[GATEWAY]

    assert rest.is_open
    assert REST - timedelta(seconds=1) < rest.left <= REST


def test_calls_of_more_than_half_a_minute_ago_do_not_count(breakers: Breakers, redis: Redis) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    redis.hset(keys.breaker(GATEWAY), f"failed:{bucket - BUCKETS}", 100)
    assert breakers.report({GATEWAY: SICK}) == {}
    assert redis.hkeys(keys.breaker(GATEWAY)) != []
    assert f"failed:{bucket - BUCKETS}" not in redis.hkeys(keys.breaker(GATEWAY))

    redis.hset(keys.breaker(GATEWAY), f"failed:{bucket - BUCKETS + 3}", 10)

    assert breakers.report({GATEWAY: Tally(failed=1)})[GATEWAY].is_open


def test_a_gateway_that_has_just_gone_down_is_not_judged_by_how_well_it_did_before(
    breakers: Breakers, redis: Redis
) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    redis.hset(keys.breaker(GATEWAY), f"answered:{bucket - RECENT_BUCKETS}", 100_000)

    assert breakers.report({GATEWAY: Tally(answered=9, failed=10)}) == {}
    assert breakers.report({GATEWAY: Tally(failed=1)})[GATEWAY].is_open


def test_who_only_asks_has_it_judged_too(breakers: Breakers, redis: Redis) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    redis.hset(keys.breaker(GATEWAY), f"failed:{bucket}", 20)

    assert breakers.report({GATEWAY: Tally()})[GATEWAY].is_open


def test_who_asks_about_others_hears_of_them_alone(breakers: Breakers) -> None:
    rests = breakers.report({1: Tally(failed=20), 2: WELL, 3: Tally()})

    assert list(rests) == [1]
    assert list(breakers.report({1: Tally(), 2: Tally()})) == [1]


def test_nobody_probes_before_the_rest_is_over_and_then_only_one(breakers: Breakers, redis: Redis) -> None:
    assert not breakers.take_trial(GATEWAY)
    breakers.report({GATEWAY: Tally(failed=20)})
    assert not breakers.take_trial(GATEWAY)

    rest_is_over(redis)

    assert [breakers.take_trial(GATEWAY) for _ in range(3)] == [True, False, False]
    assert breakers.report({GATEWAY: Tally()})[GATEWAY].is_open


def test_a_probe_that_is_answered_closes_the_breaker(breakers: Breakers, redis: Redis) -> None:
    breakers.report({GATEWAY: Tally(failed=20)})
    rest_is_over(redis)
    breakers.take_trial(GATEWAY)

    breakers.end_trial(GATEWAY, has_answered=True)

    assert breakers.report({GATEWAY: SICK}) == {}


def test_a_probe_that_fails_lets_it_rest_again(breakers: Breakers, redis: Redis) -> None:
    breakers.report({GATEWAY: Tally(failed=20)})
    rest_is_over(redis)
    breakers.take_trial(GATEWAY)

    breakers.end_trial(GATEWAY, has_answered=False)

    assert breakers.report({GATEWAY: Tally()})[GATEWAY].left > REST - timedelta(seconds=1)
    assert not breakers.take_trial(GATEWAY)


def test_the_probe_of_who_died_is_taken_by_another_when_its_lease_is_over(
    breakers: Breakers, redis: Redis
) -> None:
    breakers.report({GATEWAY: Tally(failed=20)})
    rest_is_over(redis)
    assert breakers.take_trial(GATEWAY)

    rest_is_over(redis)

    assert breakers.take_trial(GATEWAY)


def test_calls_that_end_late_do_not_change_an_open_breaker(breakers: Breakers) -> None:
    first = breakers.report({GATEWAY: Tally(failed=20)})[GATEWAY]

    second = breakers.report({GATEWAY: Tally(answered=1000, failed=1, hold=LONGEST_REST)})[GATEWAY]

    assert second.is_open
    assert second.left <= first.left


def test_a_gateway_that_asks_for_a_short_rest_gets_it_without_a_probe(breakers: Breakers) -> None:
    rest = breakers.report({GATEWAY: Tally(hold=timedelta(milliseconds=80))})[GATEWAY]
    assert not rest.is_open
    assert timedelta() < rest.left <= timedelta(milliseconds=80)
    assert not breakers.take_trial(GATEWAY)

    time.sleep(0.1)

    assert breakers.report({GATEWAY: Tally()}) == {}


def test_who_asks_for_a_shorter_rest_does_not_shorten_a_longer_one(breakers: Breakers) -> None:
    breakers.report({GATEWAY: Tally(hold=timedelta(seconds=30))})

    assert breakers.report({GATEWAY: Tally(hold=timedelta(seconds=1))})[GATEWAY].left > timedelta(seconds=29)


@pytest.mark.parametrize(
    ("asked", "given"), [(timedelta(seconds=61), timedelta(seconds=61)), (timedelta(days=9), LONGEST_REST)]
)
def test_a_long_rest_opens_the_breaker_for_an_hour_at_most(
    breakers: Breakers, asked: timedelta, given: timedelta
) -> None:
    rest = breakers.report({GATEWAY: Tally(hold=asked)})[GATEWAY]

    assert rest.is_open
    assert given - timedelta(seconds=1) < rest.left <= given


def test_every_breaker_is_forgotten_in_the_end(breakers: Breakers, redis: Redis) -> None:
    for tally in (WELL, Tally(hold=timedelta(seconds=1)), Tally(failed=20)):
        breakers.report({GATEWAY: tally})
        assert redis.pttl(keys.breaker(GATEWAY)) > 0
