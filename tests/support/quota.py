"""Helpers for tests of subscriptions with a quota."""

from datetime import UTC
from typing import Any

from django.utils import timezone

from cards.models import Subscription
from tests.factories import CarrierFactory, SubscriptionFactory


def subscription(used: str, **fields: Any) -> Subscription:
    """Create a subscription to 1,000 MB; `used` is the number of MB used in the current month."""
    carrier = CarrierFactory.create()
    month = timezone.now().astimezone(UTC).date().replace(day=1)
    created: Subscription = SubscriptionFactory.create(
        carrier=carrier, used_mb=used, period_start=month, **fields
    )
    return created


def states() -> list[str]:
    """Return the states of all subscriptions, in the order of their ids."""
    return list(Subscription.objects.order_by("pk").values_list("state", flat=True))
