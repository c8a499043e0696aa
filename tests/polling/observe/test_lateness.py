"""Lateness: how old the last good answers are, against what was promised."""

from datetime import timedelta

import pytest
from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckState, CheckType
from polling.models import PollingConfig
from polling.observe import lateness, monitoring
from polling.observe.lateness import Lateness
from polling.planning.seed import Seeding
from polling.policy import defaults
from polling.schedule import keys
from tests.factories import CardFactory, CheckStateFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def configured(redis: Redis) -> None:
    defaults.make_missing()


def read_before(minutes: float, **fields: object) -> Card:
    card: Card = CardFactory.create(**fields)
    CheckStateFactory.create(card=card, checked_at=timezone.now() - timedelta(minutes=minutes))
    return card


def measured(redis: Redis, check_type: CheckType = CheckType.DATA_USAGE) -> Lateness:
    Seeding(redis).run()
    return lateness.measure(tuple(PollingConfig.objects.in_force()))[check_type]


def test_it_is_the_age_of_the_last_good_answer_in_promised_intervals(redis: Redis) -> None:
    # Data usage is promised every 30 minutes.
    for minutes in [*[6] * 90, *[36] * 9, 300]:
        read_before(minutes)

    found = measured(redis)

    assert (found.cards, found.never, found.max) == (100, 0, 10.0)
    assert found.p50 is not None
    assert found.p95 is not None
    assert 0.1 <= found.p50 <= 0.25
    assert 1.1 <= found.p95 <= 1.25


def test_each_class_is_held_against_its_own_interval_and_cards_without_the_check_do_not_count(
    redis: Redis,
) -> None:
    # Suspended cards: every six hours.
    read_before(180, network_status="stopped")
    read_before(9999, enable_polling=False)
    read_before(9999, deleted_at=timezone.now())

    found = measured(redis)

    assert (found.cards, found.never, found.max) == (1, 0, 0.5)


def test_cards_that_never_had_an_answer_are_counted_apart(redis: Redis) -> None:
    read_before(15)
    CardFactory.create_batch(2)
    CheckState.objects.create(card=CardFactory.create(), type="carddata", failures=4)

    found = measured(redis)

    assert (found.cards, found.never, found.max) == (4, 3, 0.5)
    subscribed = SubscriptionFactory.create()
    assert measured(redis, CheckType.PACKAGE) == Lateness(1, 1, None, None, None)
    assert subscribed.card


def test_it_is_told_to_redis_and_rests_before_the_next_time(redis: Redis) -> None:
    sent: list[int] = []
    read_before(12)
    Seeding(redis).run()

    lateness.watch(redis, send=lambda: sent.append(1))
    lateness.publish(redis)
    lateness.watch(redis, send=lambda: sent.append(1))

    assert sent == [1]
    # While everything stands still it must not look well for ever.
    assert 0 < redis.ttl(keys.lateness("carddata")) < 600
    assert redis.hgetall(keys.lateness("carddata")) == {
        "cards": "1", "never": "0", "p50": "0.38", "p95": "0.4", "max": "0.4",
    }  # fmt: skip
    read = {state.task_type: state.measured for state in monitoring.lateness(redis)}
    assert read["carddata"] == Lateness(1, 0, 0.38, 0.4, 0.4)
    # Where nothing is wanted nothing is late; where nobody has measured nothing is known.
    assert read["package"] == Lateness(0, 0, None, None, None)
    redis.delete(keys.lateness("carddata"))
    assert lateness.read(redis, CheckType.DATA_USAGE) is None
