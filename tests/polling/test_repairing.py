"""The hourly repair finds nothing in quiet times, and everything that is wrong."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from cards.models import Card, CheckState, CheckType
from common.redis.ownership import owned
from polling import census, defaults, fleet, parking, recounting, walking
from polling.conf import PollingSettings
from polling.models import ClassCensus, PollingConfig
from polling.repairing import Repair
from polling.replanning import Replanning
from polling.rules import Rules
from polling.seeding import Seeding
from polling.store import keys
from polling.store.epoch import Epoch
from polling.store.schedule import Lost, PlanMode, Schedule
from tests.factories import CardFactory, GatewayFactory
from tests.polling.draining import TYPE

pytestmark = pytest.mark.django_db
QUEUE = keys.queue(TYPE)


@pytest.fixture
def cards(redis: Redis, settings: Settings) -> list[Card]:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    PollingConfig.objects.update(realname_check_interval=None)
    made = CardFactory.create_batch(5)
    Seeding(redis).run()
    return made


def repair(redis: Redis) -> tuple[int, int]:
    """How many were missing, and how many strangers."""
    found = Repair(redis).run()
    assert found is not None
    of_type = found[CheckType(TYPE)]
    return of_type.missing, of_type.strangers


def test_nothing_is_wrong_in_quiet_times(redis: Redis, cards: list[Card]) -> None:
    before, epoch = redis.zrange(QUEUE, 0, -1, withscores=True), int(redis.get(keys.EPOCH) or 0)
    redis.set(keys.tokens(TYPE), 4_000_000_000)

    assert repair(redis) == (0, 0)

    assert redis.zrange(QUEUE, 0, -1, withscores=True) == before
    # A new epoch, whose tokens begin again: they have 32 bits.
    assert int(redis.get(keys.EPOCH) or 0) == epoch + 1
    assert redis.get(keys.tokens(TYPE)) is None


def test_what_is_missing_is_added_and_strangers_are_removed(redis: Redis, cards: list[Card]) -> None:
    # Past `cards.lifecycle`, as a hand at the database does it.
    Card.objects.filter(pk=cards[0].pk).update(enable_polling=False)
    Card.objects.filter(pk=cards[1].pk).update(deleted_at=timezone.now())
    redis.zrem(QUEUE, str(cards[2].pk))
    redis.zadd(QUEUE, {"999999": 1})
    new = CardFactory.create()

    assert repair(redis) == (2, 3)

    wanted = {str(card.pk) for card in [*cards[2:], new]}
    assert set(redis.zrange(QUEUE, 0, -1)) == wanted
    assert redis.hgetall(keys.REPAIRED)[f"{TYPE}:missing"] == "2"
    assert redis.hgetall(keys.REPAIRED)[f"{TYPE}:strangers"] == "3"
    assert redis.hget(keys.WANTED, TYPE) == "4"
    assert repair(redis) == (0, 0)


def test_a_parked_card_is_neither_missing_nor_a_stranger(redis: Redis, cards: list[Card]) -> None:
    CheckState.objects.create(card=cards[0], type=TYPE, parked_at=timezone.now())
    redis.zadd(keys.parked(TYPE), {str(cards[1].pk): 1})
    redis.zrem(QUEUE, str(cards[1].pk))

    # The second one is parked in Redis only: it is missing.
    assert repair(redis) == (1, 0)

    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(cards[0].pk)]
    assert str(cards[0].pk) not in redis.zrange(QUEUE, 0, -1)


def test_a_card_that_comes_to_want_the_check_while_it_is_removed_is_not_lost(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Card.objects.filter(pk=cards[0].pk)
    chosen.update(enable_polling=False)
    read = fleet.rows_of

    def enable_meanwhile(ids: list[int]) -> list[fleet.Row]:
        rows = read(ids)
        if not ids:
            return rows
        monkeypatch.undo()
        chosen.update(enable_polling=True)
        return rows

    monkeypatch.setattr(fleet, "rows_of", enable_meanwhile)

    assert repair(redis) == (0, 1)

    assert str(cards[0].pk) in redis.zrange(QUEUE, 0, -1)


def test_it_moves_no_card_to_other_intervals_and_leaves_that_to_the_replanning(
    redis: Redis, cards: list[Card]
) -> None:
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=600)

    repair(redis)

    assert ClassCensus.objects.get().carddata_interval == 1800


def test_nothing_is_repaired_beside_a_walk_or_without_a_whole_schedule(
    redis: Redis, cards: list[Card]
) -> None:
    with owned(redis, keys.SEEDER, seconds=30):
        assert Repair(redis).run() is None
    Epoch(redis).withdraw()
    assert Repair(redis).run() is None
    assert redis.get(keys.EPOCH) is None


def test_cards_that_changed_are_counted_anew_but_not_all_the_time(redis: Redis, cards: list[Card]) -> None:
    sent: list[str] = []

    def watch() -> int:
        recounting.watch(redis, send=lambda: sent.append("recount"))
        return len(sent)

    assert watch() == 0
    Card.objects.filter(pk=cards[0].pk).update(category="industry", gateway=GatewayFactory.create())
    recounting.cards_changed(redis)
    assert watch() == 1

    recounting.recount(redis)
    assert sorted(ClassCensus.objects.values_list("category", "cards")) == [("industry", 1), ("normal", 4)]
    assert ClassCensus.objects.get(category="industry").gateway == Card.objects.get(pk=cards[0].pk).gateway
    assert redis.hget(keys.WANTED, TYPE) == "5"
    assert watch() == 1

    # It has just counted: the next time comes a little later.
    recounting.cards_changed(redis)
    Card.objects.filter(pk=cards[0].pk).update(category="normal")
    recounting.recount(redis)
    assert watch() == 1
    assert ClassCensus.objects.filter(category="industry").exists()
    redis.delete(keys.CENSUS_RESTS)
    assert watch() == 2
    recounting.recount(redis)
    # A class without cards is gone when it is found so twice.
    assert ClassCensus.objects.get(category="industry").cards == 0
    redis.delete(keys.CENSUS_RESTS)
    recounting.recount(redis)
    assert not ClassCensus.objects.filter(category="industry").exists()


def test_a_class_that_a_card_just_joins_is_not_taken_for_one_that_is_gone(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Rules.in_force(redis)
    ClassCensus.objects.update(carddata_interval=77, cards=0)
    Card.objects.update(category="industry")
    count = census._counted

    def join_meanwhile(*args: Any) -> object:
        counted = count(*args)
        monkeypatch.undo()
        Card.objects.filter(pk=cards[0].pk).update(category="normal")
        census.note([cards[0].pk], rules)
        return counted

    monkeypatch.setattr(census, "_counted", join_meanwhile)
    census.refresh(rules)

    # It keeps the interval that its cards were planned with.
    assert ClassCensus.objects.get(category="normal").carddata_interval == 77


@pytest.mark.django_db(transaction=True)
def test_who_counts_holds_up_nobody_who_plans(redis: Redis) -> None:
    card, counting, planned = CardFactory.create(), Event(), Event()
    count, rules = census._counted, Rules.in_force(redis)

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

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as beside:
        patch.setattr(census, "_counted", count_slowly)
        ended = beside.submit(refresh)
        assert counting.wait(10)
        census.note([card.pk], rules)
        planned.set()
        ended.result()

    assert ClassCensus.objects.get().cards == 1


def test_cards_that_only_get_another_gateway_keep_the_interval_that_they_are_planned_with(
    redis: Redis, cards: list[Card]
) -> None:
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=600)
    Card.objects.update(gateway=GatewayFactory.create())
    recounting.cards_changed(redis)

    recounting.recount(redis)

    # Else nobody would plan them anew.
    assert ClassCensus.objects.get(cards=5).carddata_interval == 1800


def test_a_card_that_is_parked_while_the_repair_looks_stays_parked(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    card, read = cards[0], fleet.parked

    def park_meanwhile(check_type: CheckType, cards: list[int] | None) -> list[fleet.Row]:
        if check_type != TYPE:
            return read(check_type, cards)
        monkeypatch.undo()
        parking.park(check_type, Schedule(redis, check_type), [Lost(card.pk, "somewhere")])
        return read(check_type, cards)

    monkeypatch.setattr(fleet, "parked", park_meanwhile)

    assert repair(redis) == (0, 0)

    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(card.pk)]
    assert redis.zscore(QUEUE, str(card.pk)) is None


def test_a_config_that_comes_to_want_a_card_while_it_is_removed_gets_it(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=0)
    Replanning(redis).run()
    read = fleet.rows_of

    def change_meanwhile(ids: list[int]) -> list[fleet.Row]:
        monkeypatch.undo()
        PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=900)
        Replanning(redis).run()
        assert redis.zcard(QUEUE) == 5
        return read(ids)

    monkeypatch.setattr(fleet, "rows_of", change_meanwhile)
    # The repair sees strangers, and does not see that the new config has planned them behind its back.
    redis.zadd(QUEUE, {str(card.pk): 1 for card in cards})

    assert Repair(redis).run() is None

    Replanning(redis).run()
    assert set(redis.zrange(QUEUE, 0, -1)) == {str(card.pk) for card in cards}


def test_a_schedule_that_is_lost_while_the_repair_begins_does_not_become_whole(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush_meanwhile() -> int:
        redis.flushall()
        return 99

    monkeypatch.setattr(walking, "next_epoch", flush_meanwhile)

    assert Repair(redis).run() is None

    assert not Epoch(redis).is_complete()


def test_the_time_of_the_repair_is_told(redis: Redis, cards: list[Card]) -> None:
    repair(redis)

    assert redis.hget(keys.REPAIRED, "at")
    assert redis.get(keys.SEEDER) is None


def test_a_schedule_that_is_dropped_meanwhile_ends_the_repair(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = fleet.rows_of

    def drop_meanwhile(ids: list[int]) -> list[fleet.Row]:
        monkeypatch.undo()
        Epoch(redis).withdraw()
        return read(ids)

    monkeypatch.setattr(fleet, "rows_of", drop_meanwhile)

    assert Repair(redis).run() is None

    # Nobody is in the way of the walk that makes a new one.
    assert redis.get(keys.SEEDER) is None
    assert Seeding(redis).run(only_if_needed=True) == 5


def test_an_epoch_that_was_drawn_long_ago_does_not_turn_tokens_back(redis: Redis, cards: list[Card]) -> None:
    now = int(redis.get(keys.EPOCH) or 0)

    assert not Epoch(redis).renew(now - 1)
    assert not Epoch(redis).renew(now)
    assert Epoch(redis).renew(now + 1)
    assert Epoch(redis).is_still(now + 1)


def test_pages_name_every_card_and_are_asked_for_by_their_ids(redis: Redis) -> None:
    schedule = Schedule(redis, TYPE)
    schedule.plan([(card_id, 1.0) for card_id in range(1, 20_001)], mode=PlanMode.NEW_ONLY)

    pages = list(schedule.pages())

    assert {card_id for page in pages for card_id in page} == set(range(1, 20_001))
    # Else each would read the whole range that its cards are spread over.
    assert max(len(page) for page in pages) < fleet.MOST_NAMED
