"""One card, explained: which config decides, and when the check is due."""

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
from polling.planning.receivers import replan
from polling.policy import defaults
from polling.policy.explain import explain
from polling.policy.matching import Decision
from polling.schedule.schedule import Schedule
from tests.factories import CardFactory, DeviceFactory, GatewayFactory, PauseFactory, SubscriptionFactory
from tests.support.draining import TYPE

NO_GATEWAY = "no gateway that may be called"
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
        ({"status": Card.Status.DISTRIBUTED}, "no config says anything about it"),
    ],
)
def test_the_reason_names_the_config_and_its_condition(
    redis: Redis, fields: dict[str, object], reason: str
) -> None:
    explained = {one.check_type.value: one for one in explain(CardFactory.create(**fields), redis)}

    assert explained[TYPE].decision.reason == reason


def test_an_industry_card_is_exempt_from_the_real_name_check_whatever_the_configs_say(redis: Redis) -> None:
    PollingConfig.objects.filter(name="Industry").update(realname_check_interval=60)

    explained = {one.check_type: one for one in explain(CardFactory.create(category="industry"), redis)}

    assert explained[CheckType.REAL_NAME].decision == Decision(
        None, None, "industry cards are exempt from it"
    )


@pytest.mark.parametrize("owner", ["card", "device"])
def test_a_card_without_a_plan_does_not_want_the_package_check(redis: Redis, owner: str) -> None:
    card = CardFactory.create(device=DeviceFactory.create())

    def reason() -> str:
        return {one.check_type: one for one in explain(card, redis)}[CheckType.PACKAGE].decision.reason

    assert reason() == "the card has no plan"
    SubscriptionFactory.create(**{"card": None, owner: card if owner == "card" else card.device})
    assert reason() == "config 'Activated' (50): activated"


def test_where_the_card_is_in_the_schedule(redis: Redis) -> None:
    card = CardFactory.create()
    schedule = Schedule(redis, TYPE)

    def place() -> tuple[bool, bool, bool]:
        found = schedule.place_of(card.pk)
        return found.due_in is not None, found.is_claimed, found.is_parked

    assert place() == (False, False, False)
    replan(redis, [card.pk])
    assert place() == (True, False, False)
    redis.set("polling:epoch", "1")
    schedule.claim(1, ttl=timedelta(seconds=60))
    assert place() == (True, True, False)
    schedule.park([card.pk])
    assert place() == (False, False, True)


def page(client: Client, card: Card) -> str:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client.get(reverse("admin:cards_card_change", args=[card.pk])).content.decode()


def test_the_cards_page_says_it(client: Client, redis: Redis) -> None:
    card = CardFactory.create()
    replan(redis, [card.pk])

    shown = page(client, card)

    assert "every 1800 s; config &#x27;Activated&#x27; (50): activated; due" in shown


def test_without_redis_the_page_opens_all_the_same(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Redis:
        raise RedisConnectionError

    monkeypatch.setattr(explanation, "for_web", away)

    assert "Redis does not answer" in page(client, CardFactory.create())


@pytest.mark.parametrize(
    ("what", "words"),
    [("pause", "paused for another"), ("disabled", NO_GATEWAY), ("sick", NO_GATEWAY), ("open", None)],
)
def test_the_panel_says_what_keeps_a_card_from_being_checked(
    redis: Redis, client: Client, what: str, words: str | None
) -> None:
    client.force_login(User.objects.create_superuser("root", password="x"))
    card = CardFactory.create()
    gateway = GatewayFactory.create(carrier=card.carrier, is_enabled=what != "disabled")
    if what == "sick":
        Breakers(redis).report({gateway.pk: Tally(failed=20)})
    if what == "pause":
        PauseFactory.create(task_type="", carrier=card.carrier)

    page = client.get(reverse("admin:cards_card_change", args=[card.pk])).content.decode()

    for text in ("paused for another", NO_GATEWAY):
        assert (text in page) == (text == words)
