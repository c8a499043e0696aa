import time

import pytest
from redis import Redis
from redis.exceptions import LockNotOwnedError

from common.redis.locking import try_lock


def test_lock_is_held_by_one_at_a_time(redis: Redis) -> None:
    with try_lock(redis, "lock", seconds=30) as first, try_lock(redis, "lock", seconds=30) as second:
        assert first is not None
        assert second is None


def test_lock_is_free_after_the_block_even_when_it_fails(redis: Redis) -> None:
    with pytest.raises(ZeroDivisionError), try_lock(redis, "lock", seconds=30):
        raise ZeroDivisionError

    with try_lock(redis, "lock", seconds=30) as lock:
        assert lock is not None


def test_reacquire_renews_the_lease(redis: Redis) -> None:
    with try_lock(redis, "lock", seconds=30) as lock:
        assert lock
        redis.pexpire("lock", 100)
        lock.reacquire()
        assert 29_000 < redis.pttl("lock") <= 30_000


def test_expired_lock_cannot_be_renewed(redis: Redis) -> None:
    with try_lock(redis, "lock", seconds=30) as lock:
        assert lock
        redis.pexpire("lock", 10)
        time.sleep(0.05)

        with pytest.raises(LockNotOwnedError):
            lock.reacquire()


def test_lost_lock_is_left_to_its_next_holder(redis: Redis) -> None:
    with try_lock(redis, "lock", seconds=30) as lock:
        assert lock
        redis.set("lock", "another process")

        with pytest.raises(LockNotOwnedError):
            lock.reacquire()

    assert redis.get("lock") == "another process"
