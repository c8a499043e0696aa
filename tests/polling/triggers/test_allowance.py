"""Each user may make a limited number of triggers per day, and the queue takes a limited number of cards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from redis import Redis
from structlog.testing import capture_logs

from polling.models import ManualItem, ManualTrigger
from polling.triggers import allowance
from polling.triggers.allowance import day_of
from tests.factories import AgentFactory, CardFactory, ManualTriggerFactory
from tests.support.api_calls import Caller, code_of
from tests.support.api_triggers import BATCH, SINGLE, accepted

pytestmark = pytest.mark.django_db(transaction=True)


def test_hundred_calls_are_allowed_per_local_day_of_the_user(operator: Caller) -> None:
    card = CardFactory.create()
    operator.user.time_zone = "Asia/Shanghai"
    operator.user.save()
    # It is half an hour before midnight in Shanghai.
    now = datetime(2026, 3, 1, 15, 30, tzinfo=UTC)
    ManualTriggerFactory.create_batch(99, requester=operator.user, created_at=now - timedelta(hours=15))
    ManualTriggerFactory.create(requester=operator.user, created_at=now - timedelta(hours=24))
    body = {"card_id": card.pk, "task_type": "carddata"}

    with time_machine.travel(now, tick=False):
        assert operator.post(SINGLE, body).status_code == 202
        refused = operator.post(SINGLE, body)
    assert code_of(refused) == (429, "manual_trigger_limit")
    assert refused["Retry-After"] == "1800"
    with time_machine.travel(now + timedelta(minutes=31), tick=False):
        assert operator.post(SINGLE, body).status_code == 202


@pytest.mark.parametrize("zone", ["Nowhere/Land", "Asia", ""])
def test_user_with_an_unreadable_time_zone_may_trigger(operator: Caller, zone: str) -> None:
    type(operator.user).objects.filter(pk=operator.user.pk).update(time_zone=zone)

    with capture_logs() as logs:
        answer = operator.post(SINGLE, {"card_id": CardFactory.create().pk, "task_type": "carddata"})

    assert answer.status_code == 202
    (line,) = (event for event in logs if event["event"] == "cards_triggered")
    assert (line["trigger_id"], line["cards"], line["skipped"]) == (answer.json()["trigger_id"], 1, 0)


@pytest.mark.parametrize(("now", "zone", "hours"), [
    ("2026-03-29T12:00:00+00:00", "Europe/Berlin", 23),
    ("2026-10-25T12:00:00+00:00", "Europe/Berlin", 25),
    ("2026-03-01T15:59:59+00:00", "Asia/Shanghai", 24),
])  # fmt: skip
def test_local_day_has_its_number_of_hours(now: str, zone: str, hours: int) -> None:
    moment = datetime.fromisoformat(now)
    begin, end = day_of(moment, ZoneInfo(zone))

    assert begin.astimezone(UTC) <= moment < end.astimezone(UTC)
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=hours)


def test_full_queue_refuses_a_batch(operator: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MAX_QUEUED", 2)
    cards = CardFactory.create_batch(3)
    accepted(operator, BATCH, card_ids=[card.pk for card in cards[:2]])

    refused = operator.post(BATCH, {"card_ids": [cards[2].pk], "task_type": "carddata"})

    assert code_of(refused) == (503, "polling_queue_full")
    assert ManualItem.objects.count() == 2
    # A single card is still accepted, because only triggers of many cards are limited.
    assert accepted(operator, SINGLE, card_id=cards[2].pk)["accepted"] == 1


def test_one_user_cannot_fill_the_queue(operator: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MAX_PER_USER", 2)
    cards = [card.pk for card in CardFactory.create_batch(3)]
    accepted(operator, BATCH, card_ids=cards[:2])

    assert code_of(operator.post(BATCH, {"card_ids": cards[2:], "task_type": "carddata"})) == (
        503, "polling_queue_full",
    )  # fmt: skip
    assert accepted(Caller.of("operator"), BATCH, card_ids=cards[:2])["accepted"] == 2


def test_users_of_one_agent_cannot_fill_the_queue(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MAX_PER_USER", 3)
    agent = AgentFactory.create()
    cards = [card.pk for card in CardFactory.create_batch(4, agent=agent)]
    accepted(Caller.of("agent", agent=agent), BATCH, card_ids=cards[:2])

    refused = Caller.of("agent", agent=agent).post(BATCH, {"card_ids": cards[2:], "task_type": "carddata"})

    assert code_of(refused) == (503, "polling_queue_full")
    assert accepted(Caller.of("operator"), BATCH, card_ids=cards[2:])["accepted"] == 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_calls_do_not_exceed_the_limit(redis: Redis) -> None:
    operator, card = Caller.of("operator"), CardFactory.create()
    ManualTriggerFactory.create_batch(98, requester=operator.user, created_at=timezone.now())
    barrier = Barrier(8)

    def call(_: int) -> int:
        barrier.wait(10)
        try:
            answer = operator.post(SINGLE, {"card_id": card.pk, "task_type": "carddata"})
            return int(answer.status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(call, range(8)))

    assert answers == [202] * 2 + [429] * 6
    assert ManualTrigger.objects.count() == 100
