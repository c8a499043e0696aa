"""Actions on the admin's list of cards trigger checks of the chosen cards."""

import pytest
from django.test import Client
from redis import Redis

from polling.models import ManualTrigger
from polling.schedule import keys
from tests.factories import CardFactory, UserFactory

LIST = "/admin/cards/card/"


@pytest.mark.django_db(transaction=True)
def test_chosen_cards_are_checked_now(client: Client, redis: Redis) -> None:
    client.force_login(UserFactory.create(role="operator", is_staff=True))
    chosen, industry = CardFactory.create(), CardFactory.create(category="industry")
    CardFactory.create()

    answer = client.post(
        LIST,
        {"action": "check_realname_now", "_selected_action": [chosen.pk, industry.pk]},
        follow=True,
    )

    trigger = ManualTrigger.objects.get()
    assert (
        f"1 card will be checked now, 1 skipped; see manual trigger {trigger.pk}." in answer.content.decode()
    )
    assert redis.lrange(keys.manual("realname"), 0, -1) == [str(chosen.pk)]


@pytest.mark.django_db(transaction=True)
def test_viewers_cannot_trigger_checks(client: Client, redis: Redis) -> None:
    client.force_login(UserFactory.create(role="viewer", is_staff=True))
    card = CardFactory.create()

    client.post(LIST, {"action": "check_carddata_now", "_selected_action": [card.pk]}, follow=True)

    assert not ManualTrigger.objects.exists()
    assert redis.llen(keys.manual("carddata")) == 0
