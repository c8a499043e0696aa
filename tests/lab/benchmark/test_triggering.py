"""The benchmark triggers the cards that fall due last, because the engine may check the others first."""

import pytest
from redis import Redis

from cards.models import CheckType
from lab.benchmark import triggering
from polling.models import ManualItem, ManualTrigger
from polling.policy import defaults
from polling.schedule import keys
from polling.schedule.schedule import PlanMode, Schedule
from tests.factories import CardFactory

HOUR = 3600.0


@pytest.mark.django_db(transaction=True)
def test_cards_that_fall_due_last_are_triggered(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets this variable. Set it here, too, so that monkeypatch restores it afterwards.
    monkeypatch.setenv("POLLING_MANUAL_CALLS_ADMINISTRATOR", "10")
    monkeypatch.setattr(triggering, "POOL", 2)
    defaults.make_missing()
    redis.set(keys.EPOCH, "1")
    cards = [card.pk for card in CardFactory.create_batch(4)]
    schedule = Schedule(redis, CheckType.DATA_USAGE.value)
    schedule.plan([(card, number * HOUR) for number, card in enumerate(cards)], mode=PlanMode.MOVE)

    triggering.main(5, 0.0, 1)

    assert set(ManualItem.objects.values_list("card_id", flat=True)) == set(cards[2:])
    assert {trigger.kind for trigger in ManualTrigger.objects.all()} == {ManualTrigger.Kind.SINGLE}
