"""Subscriptions with a quota, and how they are judged."""

from datetime import UTC
from typing import Any

from django.utils import timezone

from cards.models import Subscription
from tests.factories import CarrierFactory, SubscriptionFactory


def subscription(used: str, **fields: Any) -> Subscription:
    """Of 1,000 MB, with so many used in the present month."""
    calendar = CarrierFactory.create()
    month = timezone.now().astimezone(UTC).date().replace(day=1)
    made: Subscription = SubscriptionFactory.create(
        carrier=calendar, used_mb=used, period_start=month, **fields
    )
    return made


def states() -> list[str]:
    """Of all subscriptions."""
    return list(Subscription.objects.order_by("pk").values_list("state", flat=True))
