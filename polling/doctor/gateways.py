"""Gateways: whether they may be called, and what each says when it is asked about one of its cards."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from cards.models import Card
from carriers.clients.base import GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing
from polling.doctor.finding import Finding, note, ok, trouble


def look(*, now: datetime) -> Iterator[Finding]:
    """Every gateway; those that are open are called once each, beside each other."""
    gateways = list(Gateway.objects.select_related("carrier"))
    samples = {gateway.pk: _sample(gateway) for gateway in gateways if closed(gateway, now) is None}
    wrong = asyncio.run(
        _ask([(gateway, samples[gateway.pk]) for gateway in gateways if samples.get(gateway.pk)])
    )
    for gateway in gateways:
        yield closed(gateway, now) or answer(gateway.name, samples[gateway.pk], wrong)
    for name in _without_default(gateways):
        yield trouble(
            f"carrier {name}",
            "it has cards, but no default gateway: those without a gateway of their own are not asked about",
            "make one of its gateways the default in the admin",
        )


def closed(gateway: Gateway, now: datetime) -> Finding | None:
    """None: it may be called. Pure."""
    subject = f"gateway {gateway.name}"
    if not gateway.is_enabled:
        return note(subject, "disabled: its cards wait", "enable it in the admin")
    if gateway.paused_until and gateway.paused_until > now:
        until = f"{gateway.paused_until:%Y-%m-%d %H:%M} UTC"
        return note(
            subject, f"paused until {until}: {gateway.pause_reason}", "clear 'paused until' in the admin"
        )
    return None


def answer(name: str, iccid: str | None, wrong: Mapping[str, str]) -> Finding:
    """`wrong`: what was wrong with the calls of some gateways. Pure."""
    subject = f"gateway {name}"
    if iccid is None:
        return ok(subject, "no card is asked about here")
    if name not in wrong:
        return ok(subject, "answers")
    return trouble(
        subject,
        f"{wrong[name]}: its cards are asked about again every 30 to 60 s",
        "see its base URL and credentials in the admin, and ask the carrier; to wait quietly, add a pause",
    )


async def _ask(asked: Sequence[tuple[Gateway, str | None]]) -> Mapping[str, str]:
    networks = settings.COMMON.gateway_networks
    async with Outgoing(allowed_networks=networks, connections=len(asked) + 1) as outgoing:
        found = await asyncio.gather(*(_error(gateway, str(iccid), outgoing) for gateway, iccid in asked))
    return {gateway.name: error for (gateway, _), error in zip(asked, found, strict=True) if error}


async def _error(gateway: Gateway, iccid: str, outgoing: Outgoing) -> str:
    try:
        # What it says of the card does not matter here.
        await gateway.client(outgoing).usage([iccid])
    except GatewayError as error:
        return str(error)
    return ""


def _sample(gateway: Gateway) -> str | None:
    own = Card.objects.present().filter(gateway=gateway).values_list("iccid", flat=True)
    if not gateway.is_default:
        return own.first()
    others = Card.objects.present().filter(gateway=None, carrier=gateway.carrier)
    return own.first() or others.values_list("iccid", flat=True).first()


def _without_default(gateways: Sequence[Gateway]) -> list[str]:
    served = [gateway.carrier_id for gateway in gateways if gateway.is_default]
    lonely = Card.objects.present().filter(gateway=None).exclude(carrier__in=served).order_by("id")
    return [card.carrier.name for card in lonely.select_related("carrier")[:1]]
