"""Checks one card: loads the card, requests its usage from its gateway, and records the answer."""

from functools import cache

from django.utils import timezone

from cards.meter import Tariff
from cards.models import Card
from carriers.models import Carrier, Counter, Gateway
from lab.benchmark.baseline import client, recording


def check_card(card_id: int) -> None:
    """Check one card. Errors are not caught, so Celery logs them and the card stays unchecked."""
    columns = ("iccid", "carrier_id", "gateway_id", "device_id", "network_status", "usage")
    card = Card.objects.select_related("usage").only(*columns).get(pk=card_id)
    reading = client.usage(_gateway(card.gateway_id, card.carrier_id), card.iccid)
    recording.record(card, reading, tariff=_tariff(card.carrier_id), now=timezone.now())


@cache
def _gateway(gateway_id: int | None, carrier_id: int) -> Gateway:
    if gateway_id:
        return Gateway.objects.get(pk=gateway_id)
    return Gateway.objects.get(carrier_id=carrier_id, is_default=True)


@cache
def _tariff(carrier_id: int) -> Tariff:
    carrier = Carrier.objects.get(pk=carrier_id)
    return Tariff(carrier.calendar, is_lifetime=carrier.counter == Counter.LIFETIME, carrier_id=carrier_id)
