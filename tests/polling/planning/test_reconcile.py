"""A changed config reschedules exactly the cards that it concerns."""

from typing import Any

import pytest
from django.utils import timezone
from redis import Redis

from cards import lifecycle
from cards.models import Card, CheckState
from common.redis.locking import try_lock
from polling.models import ClassCensus, PollingConfig
from polling.planning.planner import Plan, Planner
from polling.planning.reconcile import Reconciler
from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from tests.support.draining import TYPE
from tests.support.reconciling import due_in, is_outdated, read_just_now, run_reconciler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cards(redis: Redis) -> list[Card]:
    return read_just_now(redis)


def test_nothing_is_outdated_after_a_scan(redis: Redis, cards: list[Card]) -> None:
    before = due_in(redis)

    assert not is_outdated(redis)
    assert run_reconciler(redis) == 0
    assert due_in(redis) == pytest.approx(before, abs=2)


def test_shorter_interval_moves_every_card(redis: Redis, cards: list[Card]) -> None:
    assert min(due_in(redis).values()) > 20_000
    PollingConfig.objects.update(carddata_check_interval=600)

    assert is_outdated(redis)
    assert run_reconciler(redis) == 4

    assert all(530 <= seconds <= 541 for seconds in due_in(redis).values())
    assert not is_outdated(redis)


def test_only_cards_that_a_config_concerns_are_moved(redis: Redis, cards: list[Card]) -> None:
    before, other = due_in(redis), cards[-1]
    PollingConfig.objects.create(
        name="Bluepeak", priority=1, carrier=other.carrier, carddata_check_interval=120
    )

    assert run_reconciler(redis) == 1

    after = due_in(redis)
    assert after.pop(other.pk) < 61
    before.pop(other.pk)
    assert after == pytest.approx(before, abs=2)


@pytest.mark.parametrize("how", ["off", "disabled", "deleted", "another condition"])
def test_cards_without_an_interval_leave_the_schedule(redis: Redis, cards: list[Card], how: str) -> None:
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

    run_reconciler(redis)
    assert due_in(redis) == {}

    if how == "disabled":
        chosen.update(is_enabled=True)
        run_reconciler(redis)
        assert sorted(due_in(redis)) == [card.pk for card in cards]


def test_parked_cards_stay_parked(redis: Redis, cards: list[Card]) -> None:
    card = cards[0]
    CheckState.objects.filter(card=card).update(parked_at=timezone.now())
    PollingConfig.objects.update(carddata_check_interval=0)
    run_reconciler(redis)
    PollingConfig.objects.update(carddata_check_interval=600)

    run_reconciler(redis)

    assert card.pk not in due_in(redis)
    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(card.pk)]


def test_profile_that_appears_after_the_scan_is_known(redis: Redis, cards: list[Card]) -> None:
    card = cards[0]
    lifecycle.change([card.pk], category=Card.Category.INDUSTRY, cause="test", now=timezone.now())
    assert ClassCensus.objects.filter(category="industry", carddata_interval=21_600).exists()

    PollingConfig.objects.create(
        name="Industry", priority=1, card_category="industry", carddata_check_interval=90
    )
    run_reconciler(redis)

    assert due_in(redis)[card.pk] < 61


def test_change_during_the_reconciliation_is_applied_too(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    draw_up = Planner.draw_up

    def change_meanwhile(*args: Any) -> Plan:
        plan = draw_up(*args)
        monkeypatch.undo()
        PollingConfig.objects.update(carddata_check_interval=1200)
        return plan

    monkeypatch.setattr(Planner, "draw_up", change_meanwhile)

    assert run_reconciler(redis) == 8

    assert all(1130 <= seconds <= 1141 for seconds in due_in(redis).values())


def test_reconciliation_that_died_is_repeated(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Planner, "draw_up", die)
    with pytest.raises(KeyboardInterrupt):
        run_reconciler(redis)
    monkeypatch.undo()

    assert is_outdated(redis)
    assert run_reconciler(redis) == 4


def test_row_outdated_again_meanwhile_is_planned_again(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    draw_up = Planner.draw_up

    def outdate_meanwhile(*args: Any) -> Plan:
        plan = draw_up(*args)
        monkeypatch.undo()
        # Mark the rows as outdated again, as the early end of a pause does.
        ClassCensus.objects.update(carddata_interval=0)
        return plan

    monkeypatch.setattr(Planner, "draw_up", outdate_meanwhile)

    assert run_reconciler(redis) == 8
    assert not is_outdated(redis)


def test_one_reconciler_at_a_time_and_none_during_a_scan(redis: Redis, cards: list[Card]) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)

    with try_lock(redis, keys.RECONCILER, seconds=30):
        assert run_reconciler(redis) == 0
    Epoch(redis).begin(99)
    assert run_reconciler(redis) == 0


def test_card_whose_profile_changes_while_moved_is_right(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.create(
        name="Industry", priority=1, card_category="industry", carddata_check_interval=60
    )
    run_reconciler(redis)
    PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=7200)
    card, draw_up = cards[0], Planner.draw_up

    def change_meanwhile(*args: Any) -> Plan:
        plan = draw_up(*args)
        monkeypatch.undo()
        lifecycle.change([card.pk], category=Card.Category.INDUSTRY, cause="test", now=timezone.now())
        return plan

    monkeypatch.setattr(Planner, "draw_up", change_meanwhile)
    run_reconciler(redis)

    due = due_in(redis)
    assert due.pop(card.pk) <= 61
    assert all(7000 <= seconds <= 7200 for seconds in due.values())


def test_nothing_is_moved_before_drains_have_read_the_configs(redis: Redis, cards: list[Card]) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    before: list[float] = []

    def wait() -> None:
        before.append(min(due_in(redis).values()))
        # Change the config during the wait. The same pass must apply this change.
        PollingConfig.objects.update(carddata_check_interval=900)

    assert Reconciler(redis, wait=wait).run() == 4

    assert [seconds > 20_000 for seconds in before] == [True]
    assert all(830 <= seconds <= 841 for seconds in due_in(redis).values())


def test_reconciler_overtaken_by_a_scan_leaves_no_old_interval(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=600)
    draw_up = Planner.draw_up

    def overtake(*args: Any) -> Plan:
        plan = draw_up(*args)
        monkeypatch.undo()
        PollingConfig.objects.update(carddata_check_interval=1200)
        census.take(Rules.in_force(redis))
        return plan

    monkeypatch.setattr(Planner, "draw_up", overtake)
    run_reconciler(redis)

    assert all(1130 <= seconds <= 1141 for seconds in due_in(redis).values())
    assert not is_outdated(redis)


def test_profile_that_appears_meanwhile_gets_the_new_configs(
    redis: Redis, cards: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    PollingConfig.objects.update(carddata_check_interval=0)
    card, move_changed = cards[0], Planner.move_changed

    def change_meanwhile(*args: Any) -> None:
        monkeypatch.undo()
        PollingConfig.objects.update(carddata_check_interval=900)
        lifecycle.change([card.pk], category=Card.Category.INDUSTRY, cause="test", now=timezone.now())
        move_changed(*args)

    monkeypatch.setattr(Planner, "move_changed", change_meanwhile)
    run_reconciler(redis)

    assert sorted(due_in(redis)) == [card.pk for card in cards]
    assert not is_outdated(redis)
