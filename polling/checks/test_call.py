"""Test calls. A test call asks a gateway about one of its cards just to see whether the gateway answers."""

from random import Random

from cards.models import Card, CheckType
from cards.models.card import POLLED_STATUSES
from carriers.clients.base import GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing

# Choose at random among this many cards, because the gateway may be unable to answer for a particular card.
SAMPLE_SIZE = 20


def sample_of(gateway: Gateway, chance: Random) -> str | None:
    """Return the ICCID of a random polled card of the gateway, or None if the gateway has no polled card."""
    polled = Card.objects.present().filter(status__in=POLLED_STATUSES, enable_polling=True)
    found = list(polled.filter(gateway=gateway).values_list("iccid", flat=True)[:SAMPLE_SIZE])
    if not found and gateway.is_default:
        others = polled.filter(gateway=None, carrier=gateway.carrier_id)
        found = list(others.values_list("iccid", flat=True)[:SAMPLE_SIZE])
    return chance.choice(found) if found else None


async def ask(
    gateway: Gateway, iccid: str, outgoing: Outgoing, check_type: CheckType = CheckType.DATA_USAGE
) -> None:
    """Ask the gateway about one card, and ignore the answer. Raise GatewayError if the call fails."""
    client = gateway.client(outgoing)
    question = client.real_names if check_type is CheckType.REAL_NAME else client.usage
    await question([iccid])


async def failure_reason(gateway: Gateway, iccid: str, outgoing: Outgoing) -> str:
    """Make a test call. Return why it failed, in words without secrets, or "" if the gateway answered."""
    try:
        await ask(gateway, iccid, outgoing)
    except GatewayError as error:
        return str(error)
    return ""
