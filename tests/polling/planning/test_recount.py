"""The census is recounted after cards have changed."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection
from redis import Redis

from cards.models import Card
from polling.models import ClassCensus, PollingConfig
from polling.planning import recount
from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys
from tests.factories import CardFactory, GatewayFactory
from tests.support.draining import TYPE
from tests.support.scanning import planned

pytestmark = pytest.mark.django_db


@pytest.fixture
def cards(redis: Redis) -> list[Card]:
    return planned(redis, 5)


def test_changed_cards_are_recounted_but_not_all_the_time(redis: Redis, cards: list[Card]) -> None:
    sent: list[str] = []

    def watch() -> int:
        recount.watch(redis, send=lambda: sent.append("recount"))
        return len(sent)

    assert watch() == 0
    Card.objects.filter(pk=cards[0].pk).update(category="industry", gateway=GatewayFactory.create())
    recount.cards_changed(redis)
    assert watch() == 1

    recount.recount(redis)
    assert sorted(ClassCensus.objects.values_list("category", "cards")) == [("industry", 1), ("normal", 4)]
    assert ClassCensus.objects.get(category="industry").gateway == Card.objects.get(pk=cards[0].pk).gateway
    assert redis.hget(keys.WANTED, TYPE) == "5"
    assert watch() == 1

    # A recount has just run, so this change is not counted yet.
    recount.cards_changed(redis)
    Card.objects.filter(pk=cards[0].pk).update(category="normal")
    recount.recount(redis)
    assert watch() == 1
    assert ClassCensus.objects.filter(category="industry").exists()
    redis.delete(keys.CENSUS_RESTS)
    assert watch() == 2
    recount.recount(redis)
    # The row is deleted only when two successive recounts find it without cards.
    assert ClassCensus.objects.get(category="industry").cards == 0
    redis.delete(keys.CENSUS_RESTS)
    recount.recount(redis)
    assert not ClassCensus.objects.filter(category="industry").exists()


def test_profile_that_a_card_just_joins_is_not_deleted(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Rules.in_force(redis)
    ClassCensus.objects.update(carddata_interval=77, cards=0)
    Card.objects.update(category="industry")
    count = census._count_groups

    def join_meanwhile(*args: Any) -> object:
        counted = count(*args)
        monkeypatch.undo()
        Card.objects.filter(pk=cards[0].pk).update(category="normal")
        census.record_planned([cards[0].pk], rules)
        return counted

    monkeypatch.setattr(census, "_count_groups", join_meanwhile)
    census.refresh(rules)

    # The row keeps the interval that its card was planned with.
    assert ClassCensus.objects.get(category="normal").carddata_interval == 77


@pytest.mark.django_db(transaction=True)
def test_recount_does_not_block_planning(redis: Redis) -> None:
    card, counting, planned = CardFactory.create(), Event(), Event()
    count, rules = census._count_groups, Rules.in_force(redis)

    def count_slowly(*args: Any) -> object:
        counted = count(*args)
        if not args:
            counting.set()
            assert planned.wait(10)
        return counted

    def refresh() -> None:
        try:
            census.refresh(rules)
        finally:
            connection.close()

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as executor:
        patch.setattr(census, "_count_groups", count_slowly)
        ended = executor.submit(refresh)
        assert counting.wait(10)
        census.record_planned([card.pk], rules)
        planned.set()
        ended.result()

    assert ClassCensus.objects.get().cards == 1


def test_new_gateway_of_a_card_keeps_the_planned_interval(redis: Redis, cards: list[Card]) -> None:
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=600)
    Card.objects.update(gateway=GatewayFactory.create())
    recount.cards_changed(redis)

    recount.recount(redis)

    # If the row had the new interval of 600 s, the cards would not count as outdated and would never be moved
    # to the new interval.
    assert ClassCensus.objects.get(cards=5).carddata_interval == 1800
