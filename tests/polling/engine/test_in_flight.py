"""Triggers end before their claims. Claims and slots that are kept through an outage are given back later."""

from datetime import timedelta

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cards.models import CheckType
from common.redis.semaphore import SlotKeys, SlotPool
from polling.engine.disposition import Disposal, Disposition, dispose_claim
from polling.engine.in_flight import InFlight
from polling.models import ManualItem
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Claim, PlanMode, Schedule
from tests.factories import CardFactory, ManualItemFactory

TYPE = CheckType.DATA_USAGE
SLOTS = SlotKeys("slots", "limit", "current")


def test_slots_kept_through_an_outage_are_given_back_later(redis: Redis, unreachable: Redis) -> None:
    pool = SlotPool(redis, SLOTS)
    pool.set_limit(2)
    with pytest.raises(RedisConnectionError), pool.hold() as slots:
        slots.grow_to(2)
        slots.pool = SlotPool(unreachable, SLOTS)
    assert pool.occupancy().free == 0

    with pool.hold() as slots:
        assert slots.verify().free == 2


def test_idle_slots_kept_through_an_outage_are_given_back_later(redis: Redis, unreachable: Redis) -> None:
    pool = SlotPool(redis, SLOTS)
    pool.set_limit(2)
    with pool.hold() as slots:
        slots.grow_to(2)
        slots.pool = SlotPool(unreachable, SLOTS)
        with pytest.raises(RedisConnectionError):
            slots.shrink_to(0)
        assert len(slots) == 0
        slots.pool = pool
        assert slots.verify().free == 2


def test_claims_kept_through_an_outage_are_given_back_later(redis: Redis, unreachable: Redis) -> None:
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(7, 0.0)], mode=PlanMode.NEW_ONLY)
    with pytest.raises(RedisConnectionError), InFlight(Schedule(unreachable, TYPE)) as in_flight:
        in_flight.take(schedule.claim(1, ttl=timedelta(seconds=60)).claims)
    assert redis.hlen(keys.claims(TYPE)) == 1

    with InFlight(schedule) as in_flight:
        assert len(in_flight) == 0

    assert redis.hlen(keys.claims(TYPE)) == 0
    assert redis.zcount(keys.queue(TYPE), "-inf", redis.time()[0] + 1) == 1
    assert redis.exists(keys.lost(TYPE)) == 0


def test_card_that_was_claimed_again_is_not_given_back(redis: Redis, unreachable: Redis) -> None:
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(7, 0.0)], mode=PlanMode.NEW_ONLY)
    with pytest.raises(RedisConnectionError), InFlight(Schedule(unreachable, TYPE)) as in_flight:
        in_flight.take(schedule.claim(1, ttl=timedelta()).claims)
    (newer,) = schedule.claim(1, ttl=timedelta(seconds=60)).claims

    with InFlight(schedule):
        pass

    assert str(redis.hget(keys.claims(TYPE), "7")).startswith(f"{newer.token}|")


@pytest.mark.django_db
def test_triggers_end_before_their_claims_are_settled_in_redis(unreachable: Redis) -> None:
    card = CardFactory.create()
    known, unknown = (ManualItemFactory.create(card=card, task_type=TYPE.value) for _ in range(2))
    claim = Claim(card.pk, 1)
    in_flight = InFlight(Schedule(unreachable, TYPE))

    with pytest.raises(RedisConnectionError):
        in_flight.dispose([Disposal(card.pk, claim, Disposition.CLOSED, item_ids=(known.pk,))])

    assert results() == {known.pk: "its gateway is disabled or paused, or there is none", unknown.pk: ""}

    with pytest.raises(RedisConnectionError):
        in_flight.dispose([dispose_claim(claim, Disposition.UNWANTED)])

    assert results()[unknown.pk] == "the card does not want this check"


@pytest.mark.django_db
def test_parked_card_without_a_claim_ends_its_triggers(redis: Redis) -> None:
    item = ManualItemFactory.create(task_type=TYPE.value)

    InFlight(Schedule(redis, TYPE)).dispose([Disposal(item.card_id, None, Disposition.PARKED)])

    assert results()[item.pk].startswith("parked")


def results() -> dict[int, str]:
    return dict(ManualItem.objects.values_list("pk", "result"))
