"""The explanation of a card tells which config decides, and when each check is due."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import User
from cards.models import Card, CheckType
from carriers.breakers import Breakers, Tally
from polling.admin import explanation
from polling.models import PollingConfig
from polling.planning.receivers import reschedule
from polling.policy import defaults
from polling.policy.explain import explain
from polling.policy.matching import Decision
from polling.schedule.schedule import Schedule
from tests.factories import CardFactory, DeviceFactory, GatewayFactory, PauseFactory, SubscriptionFactory
from tests.support.draining import TYPE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def configured(redis: Redis) -> None:
    defaults.make_missing()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "config 'Activated' (50): activated"),
        ({"category": "industry"}, "config 'Industry' (20): industry (M2M)"),
        ({"network_status": "stopped"}, "config 'Suspended' (10): suspended"),
        ({"enable_polling": False}, "polling of the card is disabled"),
        ({"status": Card.Status.IN_STOCK}, "the card is in stock"),
        ({"status": Card.Status.DISTRIBUTED}, "no config sets an interval for this check"),
    ],
)
def test_reason_names_the_config_and_its_condition(
    redis: Redis, fields: dict[str, object], reason: str
) -> None:
    by_type = {item.check_type.value: item for item in explain(CardFactory.create(**fields), redis)}

    assert by_type[TYPE].decision.reason == reason


def test_industry_card_is_exempt_from_the_real_name_check(redis: Redis) -> None:
    PollingConfig.objects.filter(name="Industry").update(realname_check_interval=60)

    by_type = {item.check_type: item for item in explain(CardFactory.create(category="industry"), redis)}

    assert by_type[CheckType.REAL_NAME].decision == Decision(None, None, "industry cards are exempt")


@pytest.mark.parametrize("owner", ["card", "device"])
def test_card_without_a_plan_does_not_get_the_package_check(redis: Redis, owner: str) -> None:
    card = CardFactory.create(device=DeviceFactory.create())

    def reason() -> str:
        return {item.check_type: item for item in explain(card, redis)}[CheckType.PACKAGE].decision.reason

    assert reason() == "the card has no plan"
    SubscriptionFactory.create(**{"card": None, owner: card if owner == "card" else card.device})
    assert reason() == "config 'Activated' (50): activated"


def test_place_in_the_schedule(redis: Redis) -> None:
    card = CardFactory.create()
    schedule = Schedule(redis, TYPE)

    def place() -> tuple[bool, bool, bool]:
        found = schedule.place_of(card.pk)
        return found.due_in is not None, found.is_claimed, found.is_parked

    assert place() == (False, False, False)
    reschedule(redis, [card.pk])
    assert place() == (True, False, False)
    redis.set("polling:epoch", "1")
    schedule.claim(1, ttl=timedelta(seconds=60))
    assert place() == (True, True, False)
    schedule.park([card.pk])
    assert place() == (False, False, True)


def page(client: Client, card: Card) -> str:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client.get(reverse("admin:cards_card_change", args=[card.pk])).content.decode()


def test_card_page_shows_the_explanation(client: Client, redis: Redis) -> None:
    card = CardFactory.create()
    GatewayFactory.create(carrier=card.carrier)
    reschedule(redis, [card.pk])

    shown = page(client, card)

    assert "every 1800 s; config &#x27;Activated&#x27; (50): activated; due" in shown


def test_card_page_opens_without_redis(client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Redis:
        raise RedisConnectionError

    monkeypatch.setattr(explanation, "for_web", away)

    assert "Redis does not answer" in page(client, CardFactory.create())


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("pause of the check", "not made: paused for another"),
        ("pause of the carrier", "not made: its gateway is paused until"),
        ("disabled", "not made: its gateway is disabled"),
        ("sick", "not made: its gateway fails"),
        ("no gateway", "not made: the card has no gateway"),
        ("open", None),
    ],
)
def test_panel_says_why_a_check_is_not_made(
    redis: Redis, client: Client, what: str, words: str | None
) -> None:
    card = CardFactory.create()
    if what != "no gateway":
        gateway = GatewayFactory.create(name="Northwind", carrier=card.carrier, is_enabled=what != "disabled")
    if what == "sick":
        Breakers(redis).report({gateway.pk: Tally(failed=20)})
    if what == "pause of the check":
        PauseFactory.create(task_type=TYPE)
    if what == "pause of the carrier":
        PauseFactory.create(task_type="", carrier=card.carrier)

    shown = page(client, card)

    assert ("not made" in shown) == (words is not None)
    assert (words or "") in shown
