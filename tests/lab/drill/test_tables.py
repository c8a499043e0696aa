"""A drill's judgement of tables and Redis reports each kind of damage, and nothing if there is no damage."""

import subprocess
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any, cast

import pytest
from django.db import connection
from django.utils import timezone
from redis import Redis

from lab.drill import tables
from lab.drill.stored_usage import StoredUsage, has_used, miscounted, usage_by_card
from lab.simulator.remote import RunningSimulator
from lab.stack.stack import Stack
from polling.schedule import keys
from polling.schedule.limits import slots_of

pytestmark = pytest.mark.django_db
TYPE = "carddata"
MB = Decimal


@dataclass
class SuiteStack:
    """The part of a stack that the judgement uses, on the test suite's own servers."""

    redis: Redis
    simulator: RunningSimulator

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())


@pytest.fixture
def stack(redis: Redis, simulator: RunningSimulator) -> Stack:
    from tests.factories import GatewayFactory

    GatewayFactory.create(base_url=f"{simulator.url}/c/northwind")
    return cast("Stack", SuiteStack(redis, simulator))


def make_card(**fields: Any) -> int:
    from carriers.models import Carrier
    from tests.factories import CardFactory

    return int(CardFactory.create(carrier=Carrier.objects.get(), **fields).pk)


def card_of(card_id: int) -> Any:
    from cards.models import Card

    return Card.objects.get(pk=card_id)


def test_missing_and_unwanted_cards_are_misplaced(stack: Stack) -> None:
    scheduled, parked = make_card(), make_card()
    make_card(enable_polling=False)
    stack.redis.zadd(keys.queue(TYPE), {str(scheduled): 1})
    stack.redis.zadd(keys.parked(TYPE), {str(parked): 1})
    assert tables.misplaced(stack) == 0

    stack.redis.zrem(keys.queue(TYPE), str(scheduled))
    assert tables.misplaced(stack) == 1
    stack.redis.zadd(keys.queue(TYPE), {"999999999": 1})
    assert tables.misplaced(stack) == 2


def test_cards_of_a_failing_gateway_can_be_left_out(stack: Stack) -> None:
    card = make_card()

    assert tables.wanting(stack).keys() == {card}
    assert tables.wanting(stack, without="bluepeak").keys() == {card}
    assert tables.wanting(stack, without="northwind") == {}


def test_parked_cards_are_counted(stack: Stack) -> None:
    from tests.factories import CheckStateFactory

    CheckStateFactory.create(card=card_of(make_card()))
    assert tables.parked(stack) == 0

    CheckStateFactory.create(card=card_of(make_card()), parked_at=timezone.now())
    assert tables.parked(stack) == 1


def test_slots_of_ended_processes_are_orphaned(stack: Stack) -> None:
    pool = slots_of(stack.redis, TYPE)
    pool.set_limit(9)
    pool.take(2)
    assert tables.orphaned_slots(stack) == 0

    ended = subprocess.Popen(["true"])
    ended.wait()
    later = (timezone.now() + timedelta(seconds=30)).timestamp() * 1000
    stack.redis.zadd(keys.slots(TYPE), {f"host:{ended.pid}:1-x:7#1": later})
    assert tables.orphaned_slots(stack) == 1


def test_age_of_the_oldest_answer_counts_from_the_start(stack: Stack) -> None:
    from tests.factories import CheckStateFactory

    now = timezone.now()
    CheckStateFactory.create(card=card_of(make_card()), checked_at=now - timedelta(seconds=20))

    def age(*, begun: int) -> float:
        return tables.oldest_answer_seconds(stack, now, begun=now - timedelta(seconds=begun))

    assert age(begun=100) == 20
    CheckStateFactory.create(card=card_of(make_card()), checked_at=now - timedelta(days=1))
    assert age(begun=100) == 100
    assert age(begun=10) == 10


def test_stored_value_that_differs_from_the_carriers_is_wrong(stack: Stack) -> None:
    from cards.models import CardUsage
    from lab.simulator.fleet import CARRIERS

    now = timezone.now()
    iccid = f"{CARRIERS[0].prefix}{7:0{20 - len(CARRIERS[0].prefix)}d}"
    right = MB(stack.simulator.truth(iccid, now)["used_mb"])
    card = make_card(iccid=iccid)
    CardUsage.objects.create(card_id=card, cycle_start=now, raw_mb=right, used_mb=right, measured_at=now)
    assert tables.compare_values(stack, now - timedelta(1), Random(1)) == (1, 0)

    CardUsage.objects.update(raw_mb=right + 1)
    assert tables.compare_values(stack, now - timedelta(1), Random(1)) == (1, 1)
    assert tables.compare_values(stack, now + timedelta(1), Random(1)) == (0, 0)


def test_reading_recorded_twice_is_counted(stack: Stack) -> None:
    from cards import usage_partitions
    from cards.models import UsageRecord

    now = timezone.now()
    usage_partitions.make_ahead(now.date())
    reading = {"card_id": make_card(), "measured_at": now, "raw_mb": 1, "used_mb": 1, "delta_mb": 1}
    UsageRecord.objects.create(recorded_at=now, **reading)
    assert tables.recorded_twice(stack, now - timedelta(1)) == 0

    UsageRecord.objects.create(recorded_at=now + timedelta(milliseconds=1), **reading)
    assert tables.recorded_twice(stack, now - timedelta(1)) == 1


def test_stored_usage_holds_meter_history_and_own_plans(stack: Stack) -> None:
    from cards import usage_partitions
    from cards.models import CardUsage, UsageRecord
    from tests.factories import DeviceFactory, SubscriptionFactory

    now = timezone.now()
    usage_partitions.make_ahead(now.date())
    card, bare = make_card(), make_card()
    for number in (card, bare):
        CardUsage.objects.create(card_id=number, cycle_start=MAY, raw_mb=9, used_mb=4, measured_at=now)
    for megabytes in (2, 3):
        UsageRecord.objects.create(
            recorded_at=now, card_id=card, measured_at=now, raw_mb=9, used_mb=4, delta_mb=megabytes
        )
    SubscriptionFactory.create(card=card_of(card), used_mb=3)
    SubscriptionFactory.create(card=None, device=DeviceFactory.create(), used_mb=8)

    assert usage_by_card(stack) == {
        card: StoredUsage(MAY, MB(9), MB(4), MB(5), MAY, MB(3)),
        bare: StoredUsage(MAY, MB(9), MB(4), MB(0)),
    }


MAY = date(2026, 5, 1)
BEFORE = StoredUsage(MAY, MB(10), MB(5), MB(8), MAY, MB(3))


def usage(raw: int, used: int, added: int, plan: int) -> StoredUsage:
    return StoredUsage(MAY, MB(raw), MB(used), MB(added), MAY, MB(plan))


@pytest.mark.parametrize(
    ("now", "is_wrong"),
    [
        (usage(12, 7, 10, 5), False),
        (usage(10, 5, 8, 3), False),
        (usage(12, 9, 10, 5), True),
        (usage(12, 7, 12, 5), True),
        (usage(12, 7, 8, 5), True),
        (usage(12, 7, 10, 7), True),
        (usage(12, 5, 8, 3), True),
        # These amounts are not judged, because the cycle or the plan's period changed or the plan ended.
        (replace(usage(2, 2, 10, 5), cycle_start=date(2026, 6, 1)), False),
        (replace(usage(12, 7, 10, 0), period_start=date(2026, 6, 1)), False),
        (replace(usage(12, 7, 10, 0), period_start=None, plan_used_mb=None), False),
    ],
)
def test_card_is_miscounted_if_an_amount_grew_unlike_its_counter(now: StoredUsage, *, is_wrong: bool) -> None:
    assert miscounted({1: BEFORE}, {1: now, 2: now}) == ({1} if is_wrong else set())


def test_card_has_usage_if_its_counter_grew() -> None:
    assert has_used(BEFORE, usage(11, 5, 8, 3))
    assert not has_used(BEFORE, BEFORE)
