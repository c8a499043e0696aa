"""Asks a gateway about one of its cards, only to see whether it answers."""

from random import Random

from cards.models import Card, CheckType
from cards.models.card import POLLED_STATUSES
from carriers.clients.base import GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing

# One card of so many: it may be just that one for which the gateway has no answer.
CHOICE = 20


def sample_of(gateway: Gateway, chance: Random) -> str | None:
    """The ICCID of one of the cards that the gateway is asked about; None when it has none."""
    polled = Card.objects.present().filter(status__in=POLLED_STATUSES, enable_polling=True)
    found = list(polled.filter(gateway=gateway).values_list("iccid", flat=True)[:CHOICE])
    if not found and gateway.is_default:
        others = polled.filter(gateway=None, carrier=gateway.carrier_id)
        found = list(others.values_list("iccid", flat=True)[:CHOICE])
    return chance.choice(found) if found else None


async def ask(
    gateway: Gateway, iccid: str, outgoing: Outgoing, check_type: CheckType = CheckType.DATA_USAGE
) -> None:
    """Call it, whatever it says of the card. Raises GatewayError."""
    client = gateway.client(outgoing)
    question = client.real_names if check_type is CheckType.REAL_NAME else client.usage
    await question([iccid])


async def trouble_of(gateway: Gateway, iccid: str, outgoing: Outgoing) -> str:
    """What is wrong with its answer, without secrets; empty when it answers."""
    try:
        await ask(gateway, iccid, outgoing)
    except GatewayError as error:
        return str(error)
    return ""
