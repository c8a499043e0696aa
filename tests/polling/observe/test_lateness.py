"""Lateness is the age of a card's last good answer divided by the promised interval."""

from datetime import timedelta

import pytest
from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckState, CheckType
from polling.models import PollingConfig
from polling.observe import lateness, monitoring
from polling.observe.lateness import Lateness
from polling.planning.seed import Seeder
from polling.policy import defaults
from polling.schedule import keys
from tests.factories import CardFactory, CheckStateFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def configured(redis: Redis) -> None:
    defaults.make_missing()


def card_answered_before(minutes: float, **fields: object) -> Card:
    card: Card = CardFactory.create(**fields)
    CheckStateFactory.create(card=card, checked_at=timezone.now() - timedelta(minutes=minutes))
    return card


def measured(redis: Redis, check_type: CheckType = CheckType.DATA_USAGE) -> Lateness:
    Seeder(redis).run()
    return lateness.measure(tuple(PollingConfig.objects.in_force()))[check_type]


def test_lateness_is_answer_age_over_promised_interval(redis: Redis) -> None:
    # The default config promises a data usage check every 30 minutes.
    for minutes in [*[6] * 90, *[36] * 9, 300]:
        card_answered_before(minutes)

    found = measured(redis)

    assert (found.cards, found.never, found.max) == (100, 0, 10.0)
    assert found.p50 is not None
    assert found.p95 is not None
    assert 0.1 <= found.p50 <= 0.25
    assert 1.1 <= found.p95 <= 1.25


def test_each_profile_is_measured_by_its_own_interval(
    redis: Redis,
) -> None:
    # The default config checks suspended cards every six hours. The other two cards want no check.
    card_answered_before(180, network_status="stopped")
    card_answered_before(9999, enable_polling=False)
    card_answered_before(9999, deleted_at=timezone.now())

    found = measured(redis)

    assert (found.cards, found.never, found.max) == (1, 0, 0.5)


def test_cards_without_an_answer_are_counted_separately(redis: Redis) -> None:
    card_answered_before(15)
    CardFactory.create_batch(2)
    CheckState.objects.create(card=CardFactory.create(), type="carddata", failures=4)

    found = measured(redis)

    assert (found.cards, found.never, found.max) == (4, 3, 0.5)
    subscribed = SubscriptionFactory.create()
    assert measured(redis, CheckType.PACKAGE) == Lateness(1, 1, None, None, None)
    assert subscribed.card


def test_lateness_is_published_and_rests_before_the_next_run(redis: Redis) -> None:
    sent: list[int] = []
    card_answered_before(12)
    Seeder(redis).run()

    lateness.watch(redis, send=lambda: sent.append(1))
    lateness.publish(redis)
    lateness.watch(redis, send=lambda: sent.append(1))

    assert sent == [1]
    # The result must expire. Otherwise an old good result would still be shown after measuring has stopped.
    assert 0 < redis.ttl(keys.lateness("carddata")) < 600
    assert redis.hgetall(keys.lateness("carddata")) == {
        "cards": "1", "never": "0", "p50": "0.38", "p95": "0.4", "max": "0.4",
    }  # fmt: skip
    read = {state.task_type: state.measured for state in monitoring.lateness(redis)}
    assert read["carddata"] == Lateness(1, 0, 0.38, 0.4, 0.4)
    # A check that no card wants has a result with 0 cards. A check that was not measured has no result.
    assert read["package"] == Lateness(0, 0, None, None, None)
    redis.delete(keys.lateness("carddata"))
    assert lateness.read(redis, CheckType.DATA_USAGE) is None
