"""One card: load it, ask its gateway, record the answer."""

from functools import cache

from django.utils import timezone

from cards.models import Card
from carriers.models import Gateway
from polling.benchmark.baseline import asking, recording


def check_card(card_id: int) -> None:
    """Raises what goes wrong: Celery logs it, and the card is not checked."""
    card = Card.objects.select_related("carrier").get(pk=card_id)
    gateway = _gateway(card.gateway_id, card.carrier_id)
    recording.record(card, asking.usage(gateway, card.iccid), now=timezone.now())


@cache
def _gateway(gateway_id: int | None, carrier_id: int) -> Gateway:
    if gateway_id:
        return Gateway.objects.get(pk=gateway_id)
    return Gateway.objects.get(carrier_id=carrier_id, is_default=True)
