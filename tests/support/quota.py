"""Helpers for tests of subscriptions with a quota."""

from datetime import UTC
from typing import Any

from django.utils import timezone

from cards.models import Card, CardUsage, Device, Subscription
from tests.factories import CardFactory, CarrierFactory, SubscriptionFactory


def subscription(used: str, **fields: Any) -> Subscription:
    """Create a subscription to 1,000 MB; `used` is the number of MB used in the current month."""
    carrier = CarrierFactory.create()
    month = timezone.now().astimezone(UTC).date().replace(day=1)
    created: Subscription = SubscriptionFactory.create(
        carrier=carrier, used_mb=used, period_start=month, **fields
    )
    return created


def in_device(device: Device, **meter: Any) -> Card:
    """Add a card to a device with the plan of `subscription`. Its meter shows 600 MB."""
    card: Card = CardFactory.create(device=device, agent=device.agent)
    month = timezone.now().astimezone(UTC).date().replace(day=1)
    values = {"cycle_start": month, "used_mb": 600, "raw_mb": 600, "measured_at": timezone.now()}
    CardUsage.objects.create(card=card, **{**values, "restart": "seen", **meter})
    return card


def states() -> list[str]:
    """Return the states of all subscriptions, in the order of their ids."""
    return list(Subscription.objects.order_by("pk").values_list("state", flat=True))
