"""What a drain could not give back because Redis was away is given back by the next drain of its process."""

from datetime import timedelta

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisIsAwayError
from redis.retry import Retry

from cards.models import CheckType
from common.redis.semaphore import SlotKeys, SlotPool
from lab.stack.servers import free_port
from polling.engine.disposition import InFlight
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import PlanMode, Schedule

TYPE = CheckType.DATA_USAGE
SLOTS = SlotKeys("slots", "limit", "current")


@pytest.fixture
def away() -> Redis:
    """Nobody answers there."""
    return Redis(port=free_port(), retry=Retry(NoBackoff(), 0), decode_responses=True)


def test_seats(redis: Redis, away: Redis) -> None:
    pool = SlotPool(redis, SLOTS)
    pool.set_limit(2)
    with pytest.raises(RedisIsAwayError), pool.hold() as slots:
        slots.grow_to(2)
        slots.pool = SlotPool(away, SLOTS)
    assert pool.occupancy().free == 0

    with pool.hold() as slots:
        assert slots.verify().free == 2


def test_seats_that_became_idle(redis: Redis, away: Redis) -> None:
    pool = SlotPool(redis, SLOTS)
    pool.set_limit(2)
    with pool.hold() as slots:
        slots.grow_to(2)
        slots.pool = SlotPool(away, SLOTS)
        with pytest.raises(RedisIsAwayError):
            slots.shrink_to(0)
        assert len(slots) == 0
        slots.pool = pool
        assert slots.verify().free == 2


def test_claims_whose_cards_are_due_again_and_have_lost_nothing(redis: Redis, away: Redis) -> None:
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(7, 0.0)], mode=PlanMode.NEW_ONLY)
    with pytest.raises(RedisIsAwayError), InFlight(Schedule(away, TYPE)) as in_flight:
        in_flight.take(schedule.claim(1, ttl=timedelta(seconds=60)).claims)
    assert redis.hlen(keys.claims(TYPE)) == 1

    with InFlight(schedule) as in_flight:
        assert len(in_flight) == 0

    assert redis.hlen(keys.claims(TYPE)) == 0
    assert redis.zcount(keys.queue(TYPE), "-inf", redis.time()[0] + 1) == 1
    assert redis.exists(keys.lost(TYPE)) == 0


def test_claims_of_a_card_that_somebody_else_has_by_now_are_left_to_him(redis: Redis, away: Redis) -> None:
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(7, 0.0)], mode=PlanMode.NEW_ONLY)
    with pytest.raises(RedisIsAwayError), InFlight(Schedule(away, TYPE)) as in_flight:
        in_flight.take(schedule.claim(1, ttl=timedelta()).claims)
    (his,) = schedule.claim(1, ttl=timedelta(seconds=60)).claims

    with InFlight(schedule):
        pass

    assert str(redis.hget(keys.claims(TYPE), "7")).startswith(f"{his.token}|")
