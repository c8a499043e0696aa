"""A test call: ask a gateway about one of its cards, only to see whether it answers."""

from random import Random

from cards.models import Card, CheckType
from cards.models.card import POLLED_STATUSES
from carriers.clients.base import GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing

# Choose among this many cards: a single fixed one might be just the card that the gateway cannot answer for.
SAMPLE_SIZE = 20


def sample_of(gateway: Gateway, chance: Random) -> str | None:
    """Return the ICCID of a random polled card of the gateway; None when it has no such card."""
    polled = Card.objects.present().filter(status__in=POLLED_STATUSES, enable_polling=True)
    found = list(polled.filter(gateway=gateway).values_list("iccid", flat=True)[:SAMPLE_SIZE])
    if not found and gateway.is_default:
        others = polled.filter(gateway=None, carrier=gateway.carrier_id)
        found = list(others.values_list("iccid", flat=True)[:SAMPLE_SIZE])
    return chance.choice(found) if found else None


async def ask(
    gateway: Gateway, iccid: str, outgoing: Outgoing, check_type: CheckType = CheckType.DATA_USAGE
) -> None:
    """Call the gateway about one card and ignore its answer. Raise GatewayError when the call fails."""
    client = gateway.client(outgoing)
    question = client.real_names if check_type is CheckType.REAL_NAME else client.usage
    await question([iccid])


async def failure_reason(gateway: Gateway, iccid: str, outgoing: Outgoing) -> str:
    """Return why a test call fails, without secrets; empty when the gateway answers."""
    try:
        await ask(gateway, iccid, outgoing)
    except GatewayError as error:
        return str(error)
    return ""
