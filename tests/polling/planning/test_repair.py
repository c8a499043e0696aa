"""The hourly repair changes nothing in an intact schedule, and finds everything that is wrong."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from cards.models import Card, CheckState, CheckType
from common.redis.locking import try_lock
from polling.engine import quarantine
from polling.models import ClassCensus, PollingConfig
from polling.planning import repair as repair_module
from polling.planning.reconcile import Reconciler
from polling.planning.repair import Repair
from polling.planning.seed import Seeder
from polling.policy import card_reader
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Lost, PlanMode, Schedule
from tests.factories import CardFactory, PauseFactory
from tests.support.draining import TYPE
from tests.support.scanning import due_in, planned

pytestmark = pytest.mark.django_db
QUEUE = keys.queue(TYPE)


@pytest.fixture
def cards(redis: Redis, settings: Settings) -> list[Card]:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    return planned(redis, 5)


def repair(redis: Redis) -> tuple[int, int]:
    """Repair the schedule; return the number of missing cards and of cards that did not belong in it."""
    found = Repair(redis).run()
    assert found is not None
    of_type = found[CheckType(TYPE)]
    return of_type.missing, of_type.strangers


def test_intact_schedule_needs_no_repair(redis: Redis, cards: list[Card]) -> None:
    before, epoch = redis.zrange(QUEUE, 0, -1, withscores=True), int(redis.get(keys.EPOCH) or 0)
    redis.set(keys.tokens(TYPE), 4_000_000_000)

    assert repair(redis) == (0, 0)

    assert redis.zrange(QUEUE, 0, -1, withscores=True) == before
    # The new epoch restarts the count of tokens, because that count must fit into 32 bits.
    assert int(redis.get(keys.EPOCH) or 0) == epoch + 1
    assert redis.get(keys.tokens(TYPE)) is None


def test_missing_cards_are_added_and_strangers_removed(redis: Redis, cards: list[Card]) -> None:
    # Bypass `cards.lifecycle`, as a manual change in the database would.
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


def test_parked_card_is_neither_missing_nor_a_stranger(redis: Redis, cards: list[Card]) -> None:
    CheckState.objects.create(card=cards[0], type=TYPE, parked_at=timezone.now())
    redis.zadd(keys.parked(TYPE), {str(cards[1].pk): 1})
    redis.zrem(QUEUE, str(cards[1].pk))

    # The second card is parked in Redis but not in PostgreSQL, so the repair counts it as missing.
    assert repair(redis) == (1, 0)

    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(cards[0].pk)]
    assert str(cards[0].pk) not in redis.zrange(QUEUE, 0, -1)


def late_cards(redis: Redis) -> int:
    found = Repair(redis).run()
    assert found is not None
    return found[CheckType(TYPE)].late


@pytest.mark.parametrize("hours", [1, 24, 24 * 365])
def test_cards_due_too_late_are_due_within_their_interval(redis: Any, cards: list[Card], hours: int) -> None:
    redis.zincrby(QUEUE, hours * 3600, str(cards[0].pk))
    redis.zincrby(QUEUE, -hours * 3600, str(cards[1].pk))
    before = dict(redis.zrange(QUEUE, 0, -1, withscores=True))

    assert late_cards(redis) == 1

    after = dict(redis.zrange(QUEUE, 0, -1, withscores=True))
    assert due_in(redis, cards[0]) <= 1800
    assert redis.hgetall(keys.REPAIRED)[f"{TYPE}:late"] == "1"
    del before[str(cards[0].pk)], after[str(cards[0].pk)]
    assert after == before
    assert late_cards(redis) == 0


@pytest.mark.parametrize("pause", ["type", "carrier"])
def test_cards_of_a_paused_check_wait_for_its_end(redis: Redis, cards: list[Card], pause: str) -> None:
    carrier = cards[0].carrier if pause == "carrier" else None
    PauseFactory.create(
        until=timezone.now() + timedelta(days=3), carrier=carrier, task_type="" if carrier else TYPE
    )
    redis.zincrby(QUEUE, 3 * 24 * 3600, str(cards[0].pk))

    assert late_cards(redis) == 0


def test_card_wanted_again_while_it_is_removed_is_not_lost(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Card.objects.filter(pk=cards[0].pk)
    chosen.update(enable_polling=False)
    read = card_reader.rows_of

    def enable_meanwhile(ids: list[int]) -> list[card_reader.Row]:
        rows = read(ids)
        if not ids:
            return rows
        monkeypatch.undo()
        chosen.update(enable_polling=True)
        return rows

    monkeypatch.setattr(card_reader, "rows_of", enable_meanwhile)

    assert repair(redis) == (0, 1)

    assert str(cards[0].pk) in redis.zrange(QUEUE, 0, -1)


def test_changed_interval_is_left_to_the_reconciler(redis: Redis, cards: list[Card]) -> None:
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=600)

    repair(redis)

    assert ClassCensus.objects.get().carddata_interval == 1800


def test_no_repair_during_a_scan_or_of_an_incomplete_schedule(redis: Redis, cards: list[Card]) -> None:
    with try_lock(redis, keys.SEEDER, seconds=30):
        assert Repair(redis).run() is None
    Epoch(redis).withdraw()
    assert Repair(redis).run() is None
    assert redis.get(keys.EPOCH) is None


def test_card_parked_during_the_repair_stays_parked(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    card, read = cards[0], card_reader.parked

    def park_meanwhile(check_type: CheckType, cards: list[int] | None) -> list[card_reader.Row]:
        if check_type != TYPE:
            return read(check_type, cards)
        monkeypatch.undo()
        quarantine.park(check_type, Schedule(redis, check_type), [Lost(card.pk, "some worker")])
        return read(check_type, cards)

    monkeypatch.setattr(card_reader, "parked", park_meanwhile)

    assert repair(redis) == (0, 0)

    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(card.pk)]
    assert redis.zscore(QUEUE, str(card.pk)) is None


def test_card_wanted_by_a_new_config_while_removed_returns(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=0)
    Reconciler(redis).run()
    read = card_reader.rows_of

    def change_meanwhile(ids: list[int]) -> list[card_reader.Row]:
        monkeypatch.undo()
        PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=900)
        Reconciler(redis).run()
        assert redis.zcard(QUEUE) == 5
        return read(ids)

    monkeypatch.setattr(card_reader, "rows_of", change_meanwhile)
    # No config wants these cards yet, so the repair starts to remove them. Before it has removed them, the
    # changed config schedules them.
    redis.zadd(QUEUE, {str(card.pk): 1 for card in cards})

    assert Repair(redis).run() is None

    Reconciler(redis).run()
    assert set(redis.zrange(QUEUE, 0, -1)) == {str(card.pk) for card in cards}


def test_schedule_lost_as_the_repair_begins_stays_incomplete(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush_meanwhile() -> int:
        redis.flushall()
        return 99

    monkeypatch.setattr(repair_module, "next_epoch", flush_meanwhile)

    assert Repair(redis).run() is None

    assert not Epoch(redis).is_complete()


def test_repair_stores_its_time(redis: Redis, cards: list[Card]) -> None:
    repair(redis)

    assert redis.hget(keys.REPAIRED, "at")
    assert redis.get(keys.SEEDER) is None


def test_dropped_schedule_ends_the_repair(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = card_reader.rows_of

    def drop_meanwhile(ids: list[int]) -> list[card_reader.Row]:
        monkeypatch.undo()
        Epoch(redis).withdraw()
        return read(ids)

    monkeypatch.setattr(card_reader, "rows_of", drop_meanwhile)

    assert Repair(redis).run() is None

    # The repair has released its lock, so that a scan can build a new schedule.
    assert redis.get(keys.SEEDER) is None
    assert Seeder(redis).run(only_if_needed=True) == 5


def test_older_epoch_does_not_reset_tokens(redis: Redis, cards: list[Card]) -> None:
    now = int(redis.get(keys.EPOCH) or 0)

    assert not Epoch(redis).renew(now - 1)
    assert not Epoch(redis).renew(now)
    assert Epoch(redis).renew(now + 1)
    assert Epoch(redis).is_current(now + 1)


def test_pages_hold_every_card_and_are_read_by_id(redis: Redis) -> None:
    schedule = Schedule(redis, TYPE)
    schedule.plan([(card_id, 1.0) for card_id in range(1, 20_001)], mode=PlanMode.NEW_ONLY)

    pages = [list(page) for page in schedule.pages()]

    assert {card_id for page in pages for card_id in page} == set(range(1, 20_001))
    # The ids of a page are far apart. If a page were larger, its query would read all cards between the
    # smallest and the largest id.
    assert max(len(page) for page in pages) < card_reader.MAX_LISTED_IDS
