"""The real-name check asks about cards in batches. A card whose status changes is rescheduled at once."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from redis import Redis

from cards.models import Card, CardEvent, CheckState, CheckType
from lab.simulator.fleet import verified_at
from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from polling.models import PollingConfig
from polling.planning.receivers import reschedule
from polling.planning.seed import Seeder
from polling.schedule import keys
from polling.schedule.schedule import Counts, Schedule, Settlement
from tests.factories import CardFactory
from tests.support.draining import drain, gateway
from tests.support.triggering import ask_for, run, state_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_for_all_checks")]
TYPE = "realname"


def fleet(count: int, **fields: object) -> tuple[list[Card], list[Card]]:
    """Create `count` cards; return the half that the carrier reports as verified, and the other half."""
    now, iccids = datetime.now(UTC), [f"898600{number:014d}" for number in range(50 * count)]
    verified = [iccid for iccid in iccids if verified_at(iccid) <= now][: count // 2]
    others = [iccid for iccid in iccids if verified_at(iccid) > now][: count // 2]
    made = [[CardFactory.create(iccid=iccid, **fields) for iccid in half] for half in (verified, others)]
    return made[0], made[1]


def due_in(redis: Redis, card: Card, check_type: str = TYPE) -> float:
    return cast(float, redis.zscore(keys.queue(check_type), str(card.pk))) - redis.time()[0]


def test_status_follows_the_carrier_and_each_change_is_an_event(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    # Switch the data usage check off, because its results could reschedule cards and cause more calls.
    PollingConfig.objects.update(carddata_check_interval=None)
    gateway(simulator, batch_size=10)
    verified, others = fleet(30)
    Card.objects.filter(pk=others[0].pk).update(real_name_status="unverified")

    drain(redis, runtime)

    assert set(Card.objects.filter(real_name_status="verified")) == set(verified)
    assert set(Card.objects.filter(real_name_status="unverified")) == set(others)
    events = CardEvent.objects.filter(kind="real_name").values_list("card", "before", "after", "cause")
    assert set(events) == {
        (card.pk, "unknown", "verified" if card in verified else "unverified", "real-name check")
        for card in [*verified, *others[1:]]
    }
    calls = [call for call in simulator.calls() if call["path"].endswith("/realname-status")]
    assert len(calls) == 3
    assert CheckState.objects.filter(type=TYPE, failures=0, checked_at__isnull=False).count() == 30


def test_changed_status_applies_other_configs_at_once(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    PollingConfig.objects.create(
        name="Verified", priority=5, card_condition="real_name", carddata_check_interval=7200
    )
    verified, others = fleet(20)

    drain(redis, runtime)

    for card in verified:
        assert due_in(redis, card) > 3000
    for card in others:
        assert due_in(redis, card) < 70
        assert due_in(redis, card, "carddata") < 2000
    # A changed status also reschedules the card's data usage check if that check waits in the queue.
    redis.zadd(keys.queue("carddata"), {str(verified[0].pk): redis.time()[0] + 600})
    Card.objects.filter(pk=verified[0].pk).update(real_name_status="unverified")
    redis.zadd(keys.queue(TYPE), {str(verified[0].pk): 1})
    drain(redis, runtime)
    assert due_in(redis, verified[0], "carddata") > 7000


def test_change_by_another_check_meanwhile_is_not_lost(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    _, (card, *_) = fleet(4, network_status="stopped", real_name_status="unverified")
    schedule = Schedule(redis, TYPE)
    Seeder(redis).run()
    claims = {claim.card_id: claim for claim in schedule.claim(10, ttl=timedelta(seconds=60)).claims}

    # The data usage check finds the card online, so the card's real-name interval is now a minute instead of
    # six hours.
    Card.objects.filter(pk=card.pk).update(network_status="online")
    reschedule(redis, [card.pk])
    schedule.settle([Settlement(claims[card.pk], timedelta(hours=6), Counts.SUCCESS, 1)])

    # The card has never been checked, so it is due at once. If the change were lost, the card would be due in
    # six hours.
    assert -2 <= due_in(redis, card) <= 1
    assert redis.hlen(keys.claims(TYPE)) == 3


def test_triggered_check_that_changes_an_unpolled_card_counts(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    (card, _), _ = fleet(4, enable_polling=False)
    Seeder(redis).run()

    trigger = ask_for(card, check_type=CheckType.REAL_NAME)
    run(redis, runtime)

    card.refresh_from_db()
    assert card.real_name_status == "verified"
    assert state_of(trigger) == ("finished", 1, 0)
    assert redis.hmget(keys.counters(TYPE), "claimed", "success") == ["1", "1"]
    assert redis.hlen(keys.claims(TYPE)) == 0


def test_industry_card_is_never_asked_about(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    PollingConfig.objects.update(realname_check_interval=60)
    card = CardFactory.create(category="industry")
    redis.zadd(keys.queue(TYPE), {str(card.pk): 1})

    drain(redis, runtime)

    assert not [call for call in simulator.calls() if call["path"].endswith("/realname-status")]
    assert redis.zcard(keys.queue(TYPE)) == 0
    assert not CheckState.objects.filter(type=TYPE).exists()


def test_card_without_an_answer_fails_alone_and_says_why(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    stranger, good = CardFactory.create(iccid="12345678901234567890"), CardFactory.create()

    drain(redis, runtime)

    state = CheckState.objects.get(card=stranger, type=TYPE)
    assert (state.failures, state.error) == (1, "the gateway does not know the card")
    assert CheckState.objects.get(card=good, type=TYPE).error == ""
    stranger.refresh_from_db()
    assert stranger.real_name_status == "unknown"
    assert 25 <= due_in(redis, stranger) <= 61
