"""While a gateway is closed, its cards are scheduled far in the future.

A gateway is closed if it is disabled or paused, or if its breaker is open.
"""

from collections.abc import Callable

import pytest
from django.utils import timezone
from redis import Redis

from cards import lifecycle
from cards.models import Card
from carriers.breakers import Breakers, Tally
from carriers.models import Gateway
from polling.models import Pause
from polling.planning.seed import Seeder
from polling.schedule.backoff import CLOSED_INTERVAL_SECONDS
from tests.factories import GatewayFactory, PauseFactory
from tests.support.reconciling import due_in, is_outdated, read_just_now, run_reconciler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cards(redis: Redis) -> list[Card]:
    return read_just_now(redis)


@pytest.fixture
def own_gateway(redis: Redis, cards: list[Card]) -> Gateway:
    """Create a gateway that only the first card uses, and return it."""
    made: Gateway = GatewayFactory.create(carrier=cards[0].carrier, is_default=False)
    Card.objects.filter(pk=cards[0].pk).update(gateway=made)
    Seeder(redis).run()
    return made


def close_by_breaker(redis: Redis, gateway: Gateway) -> None:
    Breakers(redis).report({gateway.pk: Tally(failed=20)})


def close_by_switch(_: Redis, gateway: Gateway) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(is_enabled=False)


def close_by_pause(_: Redis, gateway: Gateway) -> None:
    PauseFactory.create(task_type="", gateway=gateway)


def reopen(redis: Redis, gateway: Gateway) -> None:
    Breakers(redis).end_trial(gateway.pk, has_answered=True)
    Gateway.objects.filter(pk=gateway.pk).update(is_enabled=True)
    Pause.objects.all().delete()


@pytest.mark.parametrize("close", [close_by_breaker, close_by_switch, close_by_pause])
def test_cards_of_a_closed_gateway_are_away_until_it_opens(
    redis: Redis,
    cards: list[Card],
    own_gateway: Gateway,
    close: Callable[[Redis, Gateway], None],
) -> None:
    own = cards[0]
    before = due_in(redis)
    assert not is_outdated(redis)

    close(redis, own_gateway)
    assert is_outdated(redis)
    assert run_reconciler(redis) == 1
    assert not is_outdated(redis)

    away = due_in(redis)
    assert away.pop(own.pk) >= CLOSED_INTERVAL_SECONDS - 1
    assert away.keys() == before.keys() - {own.pk}
    assert all(seconds < 22_000 for seconds in away.values())

    reopen(redis, own_gateway)
    assert run_reconciler(redis) == 1

    assert due_in(redis)[own.pk] <= before[own.pk] + 1
    assert not is_outdated(redis)


def test_card_changed_while_its_gateway_is_closed_stays_away(
    redis: Redis, cards: list[Card], own_gateway: Gateway
) -> None:
    close_by_breaker(redis, own_gateway)
    run_reconciler(redis)

    lifecycle.change([cards[0].pk], category=Card.Category.INDUSTRY, cause="test", now=timezone.now())

    assert due_in(redis)[cards[0].pk] >= CLOSED_INTERVAL_SECONDS - 1
