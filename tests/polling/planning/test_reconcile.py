"""Configs that change move exactly the cards that they concern."""

from typing import Any

import pytest
from django.utils import timezone
from redis import Redis

from cards import lifecycle
from cards.models import Card, CheckState
from common.redis.ownership import owned
from polling.models import ClassCensus, PollingConfig
from polling.planning.planner import Plan, Planner
from polling.planning.reconcile import Replanning
from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from tests.support.draining import TYPE
from tests.support.reconciling import due_in, is_outdated, read_just_now, replan

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cards(redis: Redis) -> list[Card]:
    return read_just_now(redis)


def test_nothing_is_outdated_after_a_walk(redis: Redis, cards: list[Card]) -> None:
    before = due_in(redis)

    assert not is_outdated(redis)
    assert replan(redis) == 0
    assert due_in(redis) == pytest.approx(before, abs=2)


def test_a_shorter_interval_is_in_force_for_every_card(redis: Redis, cards: list[Card]) -> None:
    assert min(due_in(redis).values()) > 20_000
    PollingConfig.objects.update(carddata_check_interval=600)

    assert is_outdated(redis)
    assert replan(redis) == 4

    assert all(530 <= seconds <= 541 for seconds in due_in(redis).values())
    assert not is_outdated(redis)


def test_only_the_cards_that_a_config_concerns_are_moved(redis: Redis, cards: list[Card]) -> None:
    before, other = due_in(redis), cards[-1]
    PollingConfig.objects.create(
        name="Bluepeak", priority=1, carrier=other.carrier, carddata_check_interval=120
    )

    assert replan(redis) == 1

    after = due_in(redis)
    assert after.pop(other.pk) < 61
    before.pop(other.pk)
    assert after == pytest.approx(before, abs=2)


@pytest.mark.parametrize("how", ["off", "disabled", "deleted", "another condition"])
def test_cards_that_no_config_has_checked_any_more_leave_the_schedule(
    redis: Redis, cards: list[Card], how: str
) -> None:
    chosen = PollingConfig.objects.filter(name="Activated")
    if how == "deleted":
        chosen.delete()
    else:
        changes: dict[str, dict[str, Any]] = {
            "off": {"carddata_check_interval": 0},
            "disabled": {"is_enabled": False},
            "another condition": {"card_condition": "suspended"},
        }
        chosen.update(**changes[how])

    replan(redis)
    assert due_in(redis) == {}

    if how == "disabled":
        chosen.update(is_enabled=True)
        replan(redis)
        assert sorted(due_in(redis)) == [card.pk for card in cards]


def test_parked_cards_stay_parked(redis: Redis, cards: list[Card]) -> None:
    card = cards[0]
    CheckState.objects.filter(card=card).update(parked_at=timezone.now())
    PollingConfig.objects.update(carddata_check_interval=0)
    replan(redis)
    PollingConfig.objects.update(carddata_check_interval=600)

    replan(redis)

    assert card.pk not in due_in(redis)
    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(card.pk)]


def test_a_class_that_came_after_the_walk_is_known(redis: Redis, cards: list[Card]) -> None:
    card = cards[0]
    lifecycle.change([card.pk], category=Card.Category.INDUSTRY, cause="test", now=timezone.now())
    assert ClassCensus.objects.filter(category="industry", carddata_interval=21_600).exists()

    PollingConfig.objects.create(
        name="Industry", priority=1, card_category="industry", carddata_check_interval=90
    )
    replan(redis)

    assert due_in(redis)[card.pk] < 61


def test_a_change_during_the_replanning_is_taken_in_as_well(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    planned = Planner.draw_up

    def change_meanwhile(*args: Any) -> Plan:
        plan = planned(*args)
        monkeypatch.undo()
        PollingConfig.objects.update(carddata_check_interval=1200)
        return plan

    monkeypatch.setattr(Planner, "draw_up", change_meanwhile)

    assert replan(redis) == 8

    assert all(1130 <= seconds <= 1141 for seconds in due_in(redis).values())


def test_one_that_died_in_the_middle_is_repeated(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Planner, "draw_up", die)
    with pytest.raises(KeyboardInterrupt):
        replan(redis)
    monkeypatch.undo()

    assert is_outdated(redis)
    assert replan(redis) == 4


def test_what_is_outdated_again_meanwhile_is_planned_again(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    planned = Planner.draw_up

    def outdate_meanwhile(*args: Any) -> Plan:
        plan = planned(*args)
        monkeypatch.undo()
        # As the early end of a pause does.
        ClassCensus.objects.update(carddata_interval=0)
        return plan

    monkeypatch.setattr(Planner, "draw_up", outdate_meanwhile)

    assert replan(redis) == 8
    assert not is_outdated(redis)


def test_one_at_a_time_and_not_beside_a_walk(redis: Redis, cards: list[Card]) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)

    with owned(redis, keys.REPLANNER, seconds=30):
        assert replan(redis) == 0
    Epoch(redis).begin(99)
    assert replan(redis) == 0


def test_a_card_that_changes_class_while_it_is_moved_ends_where_it_belongs(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.create(
        name="Industry", priority=1, card_category="industry", carddata_check_interval=60
    )
    replan(redis)
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=7200)
    card, planned = cards[0], Planner.draw_up

    def change_meanwhile(*args: Any) -> Plan:
        plan = planned(*args)
        monkeypatch.undo()
        lifecycle.change([card.pk], category=Card.Category.INDUSTRY, cause="test", now=timezone.now())
        return plan

    monkeypatch.setattr(Planner, "draw_up", change_meanwhile)
    replan(redis)

    due = due_in(redis)
    assert due.pop(card.pk) <= 61
    assert all(7000 <= seconds <= 7200 for seconds in due.values())


def test_drains_have_read_the_configs_before_anything_is_moved(redis: Redis, cards: list[Card]) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    before: list[float] = []

    def wait() -> None:
        before.append(min(due_in(redis).values()))
        # What changes until then is taken in at once.
        PollingConfig.objects.update(carddata_check_interval=900)

    assert Replanning(redis, wait=wait).run() == 4

    assert [seconds > 20_000 for seconds in before] == [True]
    assert all(830 <= seconds <= 841 for seconds in due_in(redis).values())


def test_one_that_a_walk_has_overtaken_leaves_nothing_at_its_own_intervals(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    planned = Planner.draw_up

    def overtake(*args: Any) -> Plan:
        plan = planned(*args)
        monkeypatch.undo()
        PollingConfig.objects.update(carddata_check_interval=1200)
        census.take(Rules.in_force(redis))
        return plan

    monkeypatch.setattr(Planner, "draw_up", overtake)
    replan(redis)

    assert all(1130 <= seconds <= 1141 for seconds in due_in(redis).values())
    assert not is_outdated(redis)


def test_a_class_that_comes_during_the_replanning_is_planned_by_the_configs_in_force(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=0)
    card, look = cards[0], Planner.look_again

    def change_meanwhile(*args: Any) -> None:
        monkeypatch.undo()
        PollingConfig.objects.update(carddata_check_interval=900)
        lifecycle.change([card.pk], category=Card.Category.INDUSTRY, cause="test", now=timezone.now())
        look(*args)

    monkeypatch.setattr(Planner, "look_again", change_meanwhile)
    replan(redis)

    assert sorted(due_in(redis)) == [one.pk for one in cards]
    assert not is_outdated(redis)
