import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from common.redis import semaphore, worker_identity
from common.redis.semaphore import SlotKeys, SlotPool

KEYS = SlotKeys("slots", "limit", "current")


@pytest.fixture
def pool(redis: Redis) -> SlotPool:
    return SlotPool(redis, KEYS)


def test_no_limit_means_closed(pool: SlotPool) -> None:
    assert pool.take(5) == []


def test_a_limit_of_zero_means_paused(pool: SlotPool) -> None:
    pool.set_limit(0)

    assert pool.take(5) == []


def test_no_more_seats_than_the_limit_are_taken(pool: SlotPool, redis: Redis) -> None:
    pool.set_limit(3)

    assert [len(pool.take(2)), len(pool.take(2)), len(pool.take(2))] == [2, 1, 0]
    assert redis.get("current") == "3"


def test_seats_that_are_given_back_are_free(pool: SlotPool, redis: Redis) -> None:
    pool.set_limit(3)
    taken = pool.take(3)

    held = pool.give_back(taken[:2])

    assert held == 1
    assert redis.get("current") == "1"
    assert len(pool.take(5)) == 2


def test_a_lowered_limit_is_in_force_at_once_and_a_raised_one_too(pool: SlotPool) -> None:
    pool.set_limit(3)
    pool.take(3)

    pool.set_limit(2)
    assert pool.take(1) == []

    pool.set_limit(4)
    assert len(pool.take(5)) == 1


def test_seats_of_a_dead_holder_come_back(
    pool: SlotPool, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.set_limit(2)
    monkeypatch.setattr(semaphore, "LEASE_SECONDS", 0.05)
    pool.take(2)
    time.sleep(0.1)

    assert pool.sweep() == 0
    assert redis.get("current") == "0"
    assert len(pool.take(2)) == 2


def test_a_late_return_takes_nobody_elses_seat(pool: SlotPool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.set_limit(1)
    with monkeypatch.context() as patch:
        patch.setattr(semaphore, "LEASE_SECONDS", 0.05)
        late = pool.take(1)
    time.sleep(0.1)
    pool.take(1)

    assert pool.give_back(late) == 1
    assert pool.take(1) == []


def test_held_seats_are_given_back_when_the_work_fails(pool: SlotPool) -> None:
    pool.set_limit(2)

    with pytest.raises(ZeroDivisionError), pool.hold() as slots:
        slots.grow_to(2)
        assert len(slots) == 2
        _ = 1 / 0

    assert pool.sweep() == 0


def test_many_takers_never_hold_more_than_the_limit(pool: SlotPool) -> None:
    pool.set_limit(7)

    def take_and_return(_: int) -> int:
        with pool.hold() as slots:
            slots.grow_to(3)
            return pool.sweep()

    with ThreadPoolExecutor(8) as threads:
        held = list(threads.map(take_and_return, range(200)))

    assert max(held) <= 7
    assert pool.sweep() == 0


def test_idle_seats_can_go_back_early_and_those_in_use_stay(pool: SlotPool) -> None:
    pool.set_limit(5)

    with pool.hold() as slots:
        slots.grow_to(5)
        assert [slots.begin() for _ in range(3)] == [True, True, True]
        slots.shrink_to(2)

        assert len(slots) == pool.sweep() == 3
        slots.end()
        assert not slots.begin()
        slots.end()
        assert slots.begin()
    assert pool.sweep() == 0


def test_seats_that_redis_has_lost_are_begun_no_more(pool: SlotPool, redis: Redis) -> None:
    pool.set_limit(2)

    with pool.hold() as slots:
        slots.grow_to(2)
        redis.flushdb()
        slots.verify()

        assert len(slots) == 0
        assert not slots.begin()


def test_the_occupancy_names_the_holders_and_leaves_out_the_dead(
    pool: SlotPool, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.set_limit(5)
    with monkeypatch.context() as patch:
        patch.setattr(semaphore, "LEASE_SECONDS", 0.05)
        pool.take(1)
    pool.take(2)
    time.sleep(0.1)

    occupancy = pool.occupancy()

    assert (occupancy.limit, occupancy.free) == (5, 3)
    assert occupancy.holders == {worker_identity.name(): 2}


def test_a_limit_lowered_below_what_is_taken_leaves_less_than_nothing_free(pool: SlotPool) -> None:
    pool.set_limit(3)
    pool.take(3)
    pool.set_limit(1)

    assert pool.occupancy().free == -2


TAKE = """
import sys, time
from redis import Redis
from common.redis.semaphore import SlotKeys, SlotPool
redis = Redis.from_url(sys.argv[1], decode_responses=True)
print(len(SlotPool(redis, SlotKeys("slots", "limit", "current")).take(3)), flush=True)
time.sleep(60)
"""


def test_seats_of_a_process_that_died_here_end_when_its_calls_must_have_and_those_of_the_living_do_not(
    pool: SlotPool, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semaphore, "CALL_SECONDS", 2)
    pool.set_limit(5)
    with pool.hold() as slots:
        slots.grow_to(1)
        other = subprocess.Popen(
            (sys.executable, "-c", TAKE, os.environ["REDIS_URL"]), stdout=subprocess.PIPE
        )
        try:
            assert other.stdout
            assert other.stdout.readline() == b"3\n"
            assert slots.verify().of_the_dead == frozenset()
        finally:
            other.kill()
            other.communicate()

        assert len(slots.verify().of_the_dead) == 3
        assert slots.verify().free == 1
        time.sleep(2.1)

        assert slots.verify().free == 4
        assert len(slots) == 1


@pytest.mark.parametrize("start", ["1790000000-00000000", "1790000000-", "1790000000"])
def test_a_holder_of_another_place_may_live(start: str) -> None:
    assert not worker_identity.is_dead(f"worker-1:999999:{start}")
