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
    assert pool.take(5).members == []


def test_limit_of_zero_means_paused(pool: SlotPool) -> None:
    pool.set_limit(0)

    assert pool.take(5).members == []


def test_no_more_slots_than_the_limit_are_taken(pool: SlotPool, redis: Redis) -> None:
    pool.set_limit(3)

    assert [len(pool.take(2).members), len(pool.take(2).members), len(pool.take(2).members)] == [2, 1, 0]
    assert redis.get("current") == "3"


def test_slots_that_are_given_back_are_free(pool: SlotPool, redis: Redis) -> None:
    pool.set_limit(3)
    taken = pool.take(3).members

    held = pool.give_back(taken[:2])

    assert held == 1
    assert redis.get("current") == "1"
    assert len(pool.take(5).members) == 2


def test_changed_limit_is_in_force_at_once(pool: SlotPool) -> None:
    pool.set_limit(3)
    pool.take(3)

    pool.set_limit(2)
    assert pool.take(1).members == []

    pool.set_limit(4)
    assert len(pool.take(5).members) == 1


def test_expired_slots_are_free_again(pool: SlotPool, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.set_limit(2)
    monkeypatch.setattr(semaphore, "LEASE_SECONDS", 0.05)
    pool.take(2)
    time.sleep(0.1)

    assert pool.sweep() == 0
    assert redis.get("current") == "0"
    assert len(pool.take(2).members) == 2


def test_late_return_leaves_the_slot_of_its_next_holder(
    pool: SlotPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.set_limit(1)
    with monkeypatch.context() as patch:
        patch.setattr(semaphore, "LEASE_SECONDS", 0.05)
        late = pool.take(1).members
    time.sleep(0.1)
    pool.take(1)

    assert pool.give_back(late) == 1
    assert pool.take(1).members == []


def test_held_slots_are_given_back_when_the_work_fails(pool: SlotPool) -> None:
    pool.set_limit(2)

    with pytest.raises(ZeroDivisionError), pool.hold() as slots:
        slots.grow_to(2)
        assert len(slots) == 2
        _ = 1 / 0

    assert pool.sweep() == 0


def test_concurrent_takers_never_exceed_the_limit(pool: SlotPool) -> None:
    pool.set_limit(7)

    def take_and_return(_: int) -> int:
        with pool.hold() as slots:
            slots.grow_to(3)
            return pool.sweep()

    with ThreadPoolExecutor(8) as threads:
        held = list(threads.map(take_and_return, range(200)))

    assert max(held) <= 7
    assert pool.sweep() == 0


def test_shrinking_gives_back_idle_slots_only(pool: SlotPool) -> None:
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


def test_slots_that_redis_lost_are_not_used_again(pool: SlotPool, redis: Redis) -> None:
    pool.set_limit(2)

    with pool.hold() as slots:
        slots.grow_to(2)
        redis.flushdb()
        slots.verify()

        assert len(slots) == 0
        assert not slots.begin()


def test_occupancy_names_holders_and_leaves_out_expired_slots(
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


def test_free_is_negative_when_more_slots_are_taken_than_allowed(pool: SlotPool) -> None:
    pool.set_limit(3)
    pool.take(3)
    pool.set_limit(1)

    assert pool.occupancy().free == -2


TAKE = """
import sys, time
from redis import Redis
from common.redis.semaphore import SlotKeys, SlotPool
redis = Redis.from_url(sys.argv[1], decode_responses=True)
print(len(SlotPool(redis, SlotKeys("slots", "limit", "current")).take(3).members), flush=True)
time.sleep(60)
"""


def test_slots_of_a_dead_neighbour_expire_after_its_calls(
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
            assert slots.verify().dead_members == frozenset()
        finally:
            other.kill()
            other.communicate()

        assert len(slots.verify().dead_members) == 3
        assert slots.verify().free == 1
        time.sleep(2.1)

        assert slots.verify().free == 4
        assert len(slots) == 1


@pytest.mark.parametrize("start", ["1790000000-00000000", "1790000000-", "1790000000"])
def test_holder_of_another_place_is_not_known_to_be_dead(start: str) -> None:
    assert not worker_identity.is_dead(f"worker-1:999999:{start}")
