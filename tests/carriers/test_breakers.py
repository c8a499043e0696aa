import time
from datetime import timedelta

import pytest
from redis import Redis

from carriers import keys
from carriers.breakers import BUCKET_MS, BUCKETS, LONGEST_REST, RECENT_BUCKETS, REST, Breakers, Tally

GATEWAY = 7
HEALTHY = Tally(answered=10)
SICK = Tally(failed=10)


@pytest.fixture
def breakers(redis: Redis) -> Breakers:
    return Breakers(redis)


def end_rest(redis: Redis) -> None:
    redis.hset(keys.breaker(GATEWAY), "probe_at", 1)


def test_answering_gateway_keeps_its_breaker_closed(breakers: Breakers) -> None:
    for _ in range(5):
        assert breakers.report({GATEWAY: HEALTHY}) == {}


@pytest.mark.parametrize(
    ("answered", "failed", "opens"),
    [(0, 19, False), (0, 20, True), (10, 10, True), (11, 10, False), (1000, 999, False), (20, 0, False)],
)
def test_breaker_opens_when_half_of_twenty_calls_fail(
    breakers: Breakers, answered: int, failed: int, *, opens: bool
) -> None:
    rests = breakers.report({GATEWAY: Tally(answered, failed)})

    assert [rest.is_open for rest in rests.values()] == [True] * opens


def test_reports_of_several_processes_are_added_up(breakers: Breakers, redis: Redis) -> None:
    assert breakers.report({GATEWAY: SICK}) == {}

    rest = Breakers(redis).report({GATEWAY: SICK})[GATEWAY]

    assert rest.is_open
    assert REST - timedelta(seconds=1) < rest.left <= REST


def test_calls_older_than_thirty_seconds_do_not_count(breakers: Breakers, redis: Redis) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    redis.hset(keys.breaker(GATEWAY), f"failed:{bucket - BUCKETS}", 100)
    assert breakers.report({GATEWAY: SICK}) == {}
    assert redis.hkeys(keys.breaker(GATEWAY)) != []
    assert f"failed:{bucket - BUCKETS}" not in redis.hkeys(keys.breaker(GATEWAY))

    redis.hset(keys.breaker(GATEWAY), f"failed:{bucket - BUCKETS + 3}", 10)

    assert breakers.report({GATEWAY: Tally(failed=1)})[GATEWAY].is_open


def test_recent_failures_open_the_breaker_despite_old_answers(breakers: Breakers, redis: Redis) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    redis.hset(keys.breaker(GATEWAY), f"answered:{bucket - RECENT_BUCKETS}", 100_000)

    assert breakers.report({GATEWAY: Tally(answered=9, failed=10)}) == {}
    assert breakers.report({GATEWAY: Tally(failed=1)})[GATEWAY].is_open


def test_empty_report_also_opens_the_breaker(breakers: Breakers, redis: Redis) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    redis.hset(keys.breaker(GATEWAY), f"failed:{bucket}", 20)

    assert breakers.report({GATEWAY: Tally()})[GATEWAY].is_open


def test_report_returns_only_reported_gateways_at_rest(breakers: Breakers) -> None:
    rests = breakers.report({1: Tally(failed=20), 2: HEALTHY, 3: Tally()})

    assert list(rests) == [1]
    assert list(breakers.report({1: Tally(), 2: Tally()})) == [1]


def test_trial_is_taken_once_and_only_after_the_rest(breakers: Breakers, redis: Redis) -> None:
    assert not breakers.take_trial(GATEWAY)
    breakers.report({GATEWAY: Tally(failed=20)})
    assert not breakers.take_trial(GATEWAY)

    end_rest(redis)

    assert [breakers.take_trial(GATEWAY) for _ in range(3)] == [True, False, False]
    assert breakers.report({GATEWAY: Tally()})[GATEWAY].is_open


def test_answered_trial_closes_the_breaker(breakers: Breakers, redis: Redis) -> None:
    breakers.report({GATEWAY: Tally(failed=20)})
    end_rest(redis)
    breakers.take_trial(GATEWAY)

    breakers.end_trial(GATEWAY, has_answered=True)

    assert breakers.report({GATEWAY: SICK}) == {}


def test_failed_trial_starts_another_rest(breakers: Breakers, redis: Redis) -> None:
    breakers.report({GATEWAY: Tally(failed=20)})
    end_rest(redis)
    breakers.take_trial(GATEWAY)

    breakers.end_trial(GATEWAY, has_answered=False)

    assert breakers.report({GATEWAY: Tally()})[GATEWAY].left > REST - timedelta(seconds=1)
    assert not breakers.take_trial(GATEWAY)


def test_abandoned_trial_can_be_taken_after_its_lease(breakers: Breakers, redis: Redis) -> None:
    breakers.report({GATEWAY: Tally(failed=20)})
    end_rest(redis)
    assert breakers.take_trial(GATEWAY)

    end_rest(redis)

    assert breakers.take_trial(GATEWAY)


def test_late_calls_do_not_change_an_open_breaker(breakers: Breakers) -> None:
    first = breakers.report({GATEWAY: Tally(failed=20)})[GATEWAY]

    second = breakers.report({GATEWAY: Tally(answered=1000, failed=1, hold=LONGEST_REST)})[GATEWAY]

    assert second.is_open
    assert second.left <= first.left


def test_short_requested_rest_ends_without_a_trial(breakers: Breakers) -> None:
    rest = breakers.report({GATEWAY: Tally(hold=timedelta(milliseconds=80))})[GATEWAY]
    assert not rest.is_open
    assert timedelta() < rest.left <= timedelta(milliseconds=80)
    assert not breakers.take_trial(GATEWAY)

    time.sleep(0.1)

    assert breakers.report({GATEWAY: Tally()}) == {}


def test_shorter_rest_does_not_shorten_a_longer_one(breakers: Breakers) -> None:
    breakers.report({GATEWAY: Tally(hold=timedelta(seconds=30))})

    assert breakers.report({GATEWAY: Tally(hold=timedelta(seconds=1))})[GATEWAY].left > timedelta(seconds=29)


@pytest.mark.parametrize(
    ("requested", "granted"),
    [(timedelta(seconds=61), timedelta(seconds=61)), (timedelta(days=9), LONGEST_REST)],
)
def test_long_rest_opens_the_breaker_for_at_most_an_hour(
    breakers: Breakers, requested: timedelta, granted: timedelta
) -> None:
    rest = breakers.report({GATEWAY: Tally(hold=requested)})[GATEWAY]

    assert rest.is_open
    assert granted - timedelta(seconds=1) < rest.left <= granted


def test_every_breaker_expires(breakers: Breakers, redis: Redis) -> None:
    for tally in (HEALTHY, Tally(hold=timedelta(seconds=1)), Tally(failed=20)):
        breakers.report({GATEWAY: tally})
        assert redis.pttl(keys.breaker(GATEWAY)) > 0
