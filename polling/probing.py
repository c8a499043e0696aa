"""Asks a gateway about one of its cards, only to see whether it answers."""

from cards.models import Card
from carriers.clients.base import GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing


def sample_of(gateway: Gateway) -> str | None:
    """The ICCID of a card that the gateway is asked about; None when it has none."""
    own = Card.objects.present().filter(gateway=gateway).values_list("iccid", flat=True)
    if not gateway.is_default:
        return own.first()
    others = Card.objects.present().filter(gateway=None, carrier=gateway.carrier_id)
    return own.first() or others.values_list("iccid", flat=True).first()


async def trouble_of(gateway: Gateway, iccid: str, outgoing: Outgoing) -> str:
    """What is wrong with its answer, without secrets; empty when it answers, whatever it says of the card."""
    try:
        await gateway.client(outgoing).usage([iccid])
    except GatewayError as error:
        return str(error)
    return ""
