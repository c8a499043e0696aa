"""Fixtures for the tests of cards."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client


@pytest.fixture
def signals() -> Iterator[list[list[int]]]:
    """Return a list that collects the card ids of each `cards_changed` signal."""
    from cards.signals import cards_changed

    received: list[list[int]] = []

    def receive(card_ids: list[int], **_: Any) -> None:
        received.append(card_ids)

    cards_changed.connect(receive)
    yield received
    cards_changed.disconnect(receive)


@pytest.fixture
def ids(db: None) -> Any:
    """Create one row of each kind that foreign keys can point to, and return the ids of these rows."""
    from polling.models import ManualTrigger
    from tests import factories
    from tests.support.row_rules import NOW, RowIds

    user = factories.UserFactory.create()
    trigger = ManualTrigger.objects.create(
        requester=user, task_type="carddata", kind="single", created_at=NOW
    )
    return RowIds(
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
