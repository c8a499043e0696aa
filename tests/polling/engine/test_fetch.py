"""If a triggered card cannot be checked, its trigger ends when the card is claimed. No call is made."""

from random import Random

import pytest
from redis import Redis

from cards.models import CheckType
from polling.engine.fetch import Fetcher
from polling.engine.in_flight import InFlight
from polling.models import ManualItem
from polling.planning.seed import Seeder
from polling.schedule.manual_queue import ManualQueue
from polling.schedule.schedule import Schedule, Which
from tests.factories import CardFactory, ManualItemFactory

TYPE = CheckType.DATA_USAGE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def test_trigger_of_a_parked_card_ends_with_the_claim(redis: Redis) -> None:
    card = CardFactory.create()
    Seeder(redis).run()
    schedule = Schedule(redis, TYPE)
    schedule.park([card.pk])
    item = ManualItemFactory.create(card=card, task_type=TYPE.value)
    ManualQueue(redis, TYPE).push([card.pk], in_front=True)
    fetcher = Fetcher(TYPE, redis=redis, in_flight=InFlight(schedule), chance=Random(1))

    batch = fetcher.claim(10, Which.ANY, fetcher.snapshot())

    assert (batch.cards, batch.disposals) == ([], [])
    ended = ManualItem.objects.get(pk=item.pk)
    assert (ended.status, ended.result.split(",")[0]) == (ManualItem.Status.FAILED, "parked")


def test_trigger_of_a_deleted_card_ends_with_the_claim(redis: Redis) -> None:
    card = CardFactory.create()
    Seeder(redis).run()
    item = ManualItemFactory.create(card=card, task_type=TYPE.value)
    type(card).objects.filter(pk=card.pk).update(deleted_at="2026-01-01T00:00:00Z")
    schedule = Schedule(redis, TYPE)
    in_flight = InFlight(schedule)
    fetcher = Fetcher(TYPE, redis=redis, in_flight=in_flight, chance=Random(1))

    batch = fetcher.claim(10, Which.ANY, fetcher.snapshot())

    assert (batch.claimed, len(in_flight), batch.cards) == (1, 0, [])
    assert ManualItem.objects.get(pk=item.pk).result == "the card does not want this check"
