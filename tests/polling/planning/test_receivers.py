"""A changed card is rescheduled at once, without a scan."""

from datetime import timedelta
from typing import cast

import pytest
from django.utils import timezone
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cards import lifecycle
from cards.lifecycle import NewCard
from cards.models import Card, CheckState, CheckType
from polling.models import PollingConfig
from polling.planning import receivers
from polling.planning.planner import Planner
from polling.planning.seed import Seeder
from polling.policy import card_reader
from polling.policy.rules import Rules
from polling.schedule import backoff, keys
from polling.schedule.schedule import Counts, PlanMode, Schedule, Settlement
from tests.factories import AgentFactory, CardFactory, CarrierFactory
from tests.support.draining import TYPE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def seeded(redis: Redis) -> None:
    PollingConfig.objects.create(
        name="Activated", priority=1, card_condition="activated", carddata_check_interval=1800
    )
    PollingConfig.objects.create(
        name="Industry", priority=0, card_category="industry", carddata_check_interval=0
    )
    Seeder(redis).run()


def scheduled(redis: Redis) -> dict[int, float]:
    """Return a dict from the id of each scheduled card to the seconds until it is due."""
    now = redis.time()[0]
    found = cast("list[tuple[str, float]]", redis.zrange(keys.queue(TYPE), 0, -1, withscores=True))
    return {int(card_id): due_at - now for card_id, due_at in found}


def test_new_cards_are_due_at_once(redis: Redis) -> None:
    carrier, agent = CarrierFactory.create(), AgentFactory.create()
    new = [
        NewCard(f"8986000000000000{n:04d}", carrier.pk, agent.pk, status=Card.Status.ACTIVATED)
        for n in range(3)
    ]

    made = lifecycle.create(new, now=timezone.now(), cause="test")

    assert sorted(scheduled(redis)) == made
    assert max(scheduled(redis).values()) < 2


def test_card_that_no_longer_wants_a_check_leaves_the_schedule(redis: Redis) -> None:
    cards = [CardFactory.create() for _ in range(4)]
    ids = [card.pk for card in cards]
    receivers.reschedule(redis, ids)
    assert sorted(scheduled(redis)) == ids

    lifecycle.change(ids[:1], enable_polling=False, now=timezone.now(), cause="test")
    lifecycle.change(ids[1:2], status=Card.Status.DEACTIVATED, now=timezone.now(), cause="test")
    lifecycle.change(ids[2:3], category=Card.Category.INDUSTRY, now=timezone.now(), cause="test")
    lifecycle.delete(ids[3:], now=timezone.now(), cause="test")

    assert scheduled(redis) == {}


def test_card_polled_again_is_due_by_its_last_answer(redis: Redis) -> None:
    card = CardFactory.create(enable_polling=False)
    CheckState.objects.create(card=card, type=TYPE, checked_at=timezone.now() - timedelta(minutes=10))

    lifecycle.change([card.pk], enable_polling=True, now=timezone.now(), cause="test")

    assert 1190 <= scheduled(redis)[card.pk] <= 1201


def test_rolled_back_change_leaves_the_schedule_alone(redis: Redis) -> None:
    with pytest.raises(Exception, match="agent"):
        lifecycle.create(
            [NewCard("89860000000000000001", 1, 10**9, status=Card.Status.ACTIVATED)],
            now=timezone.now(),
            cause="test",
        )

    assert scheduled(redis) == {}


def test_changed_parked_card_stays_parked(redis: Redis) -> None:
    card = CardFactory.create()
    CheckState.objects.create(card=card, type=TYPE, parked_at=timezone.now())
    Schedule(redis, TYPE).park([card.pk])

    lifecycle.change([card.pk], enable_polling=False, now=timezone.now(), cause="test")
    assert redis.zcard(keys.parked(TYPE)) == 0
    lifecycle.change([card.pk], enable_polling=True, now=timezone.now(), cause="test")

    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(card.pk)]
    assert scheduled(redis) == {}


def test_card_being_checked_keeps_its_claim(redis: Redis) -> None:
    card = CardFactory.create()
    receivers.reschedule(redis, [card.pk])
    [claim] = Schedule(redis, TYPE).claim(1, ttl=timedelta(seconds=60)).claims

    lifecycle.change([card.pk], agent_id=AgentFactory.create().pk, now=timezone.now(), cause="test")

    assert redis.hlen(keys.claims(TYPE)) == 1
    assert claim.card_id == card.pk
    assert 50 < scheduled(redis)[card.pk] <= 61


def test_plan_from_an_old_row_is_corrected_during_a_check(redis: Redis) -> None:
    PollingConfig.objects.create(
        name="Verified", priority=0, card_condition="real_name", carddata_check_interval=7200
    )
    card = CardFactory.create()
    receivers.reschedule(redis, [card.pk])
    schedule = Schedule(redis, TYPE)
    (claim,) = schedule.claim(1, ttl=timedelta(seconds=60)).claims
    planner = Planner(redis, Rules.in_force(redis), timedelta())

    # While another planner uses the card's old row, the check records its answer and the card changes.
    old_rows = card_reader.rows_of([card.pk])
    CheckState.objects.create(card=card, type=TYPE, checked_at=timezone.now())
    Card.objects.filter(pk=card.pk).update(real_name_status="verified")
    receivers.reschedule(redis, [card.pk])
    planner.carry_out(planner.draw_up(CheckType.DATA_USAGE, old_rows), mode=PlanMode.MOVE)
    planner.move_changed([CheckType.DATA_USAGE], [card.pk], old_rows)
    schedule.settle([Settlement(claim, timedelta(hours=2), Counts.SUCCESS, 1)])

    assert 7190 <= scheduled(redis)[card.pk] <= 7201


def test_change_without_redis_stands_and_is_logged(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    card = CardFactory.create(enable_polling=False)

    def away() -> Redis:
        raise RedisConnectionError

    monkeypatch.setattr(receivers, "for_web", away)

    assert lifecycle.change([card.pk], enable_polling=True, now=timezone.now(), cause="test") == [card.pk]

    assert "changed cards are not rescheduled yet" in caplog.text
    monkeypatch.undo()
    Seeder(redis).run()
    assert list(scheduled(redis)) == [card.pk]


def test_many_changed_cards_are_spread_over_a_ramp(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [CardFactory.create().pk for _ in range(20)]
    monkeypatch.setattr(receivers, "FULL_RAMP_CARDS", 20)
    monkeypatch.setattr(backoff, "NEIGHBOURS", 1)

    receivers.reschedule(redis, cards)

    delays = scheduled(redis).values()
    assert min(delays) < 15
    assert 40 < max(delays) <= 61
