"""What the tests of cards share."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client


@pytest.fixture
def told() -> Iterator[list[list[int]]]:
    """What receivers of `cards_changed` heard."""
    from cards.events import cards_changed

    heard: list[list[int]] = []

    def hear(card_ids: list[int], **_: Any) -> None:
        heard.append(card_ids)

    cards_changed.connect(hear)
    yield heard
    cards_changed.disconnect(hear)


@pytest.fixture
def world(db: None) -> Any:
    """Rows to point at."""
    from polling.models import ManualTrigger
    from tests import factories
    from tests.support.row_rules import NOW, World

    user = factories.UserFactory.create()
    trigger = ManualTrigger.objects.create(
        requester=user, task_type="carddata", kind="single", created_at=NOW
    )
    return World(
        carrier=factories.CarrierFactory.create().pk,
        agent=factories.AgentFactory.create().pk,
        card=factories.CardFactory.create().pk,
        device=factories.DeviceFactory.create().pk,
        plan=factories.PlanFactory.create().pk,
        gateway=factories.GatewayFactory.create().pk,
        user=user.pk,
        subscription=factories.SubscriptionFactory.create().pk,
        trigger=trigger.pk,
    )


@pytest.fixture
def administrator(client: Client) -> Client:
    from accounts.models import User

    client.force_login(User.objects.create_superuser("root", password="x"))
    return client
