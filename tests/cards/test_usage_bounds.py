"""By how much the usage of a plan may be wrong is known even after cards with uncertain meters have left it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from cards import lifecycle, quota_judging, subscriptions
from cards.models import Card, Device
from cards.subscriptions import Owner
from tests.factories import DeviceFactory, PlanFactory, SubscriptionFactory
from tests.support.quota import in_device, subscription

pytestmark = pytest.mark.django_db
EARLIER = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def device() -> Device:
    device: Device = DeviceFactory.create()
    return device


def move(card: Card, now: datetime) -> None:
    lifecycle.change([card.pk], device_id=DeviceFactory.create().pk, cause="test", now=now)


def take_out(card: Card, now: datetime) -> None:
    lifecycle.change([card.pk], device_id=None, cause="test", now=now)


def give_own_plan(card: Card, now: datetime) -> None:
    subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=now)


def delete(card: Card, now: datetime) -> None:
    lifecycle.delete([card.pk], cause="test", now=now)


@pytest.mark.parametrize("leave", [move, take_out, give_own_plan, delete])
@pytest.mark.parametrize(
    ("meter", "state", "possible"),
    [
        ({}, "near", None),
        ({"restart": "awaited"}, "normal", "near"),
        ({"doubt": "sudden_rise", "doubt_since": EARLIER, "over_mb": 500}, "normal", "near"),
        ({"doubt": "boundary_not_seen", "doubt_since": EARLIER, "under_mb": 50}, "near", "over"),
    ],
    ids=["certain", "awaits its restart", "may be too high", "may be too low"],
)
def test_usage_stays_uncertain_after_its_card_has_left_the_device(
    device: Device,
    leave: Callable[[Card, datetime], None],
    meter: dict[str, Any],
    state: str,
    possible: str | None,
) -> None:
    subscription("960", card=None, device=device)
    stays, leaves = in_device(device), in_device(device, **meter)

    leave(leaves, timezone.now())

    with transaction.atomic():
        judgement = quota_judging.judge([stays.pk], now=timezone.now())[stays.pk]
    assert (judgement.state, judgement.possible_state) == (state, possible)


@pytest.mark.parametrize("leave", [move, take_out, give_own_plan, delete])
def test_card_with_its_own_plan_leaves_no_bounds_behind(
    device: Device, leave: Callable[[Card, datetime], None]
) -> None:
    main = subscription("1200", card=None, device=device)
    card = in_device(device, restart="awaited")
    SubscriptionFactory.create(card=card)

    leave(card, timezone.now())

    main.refresh_from_db()
    assert (main.over_mb, main.under_mb) == (0, 0)
