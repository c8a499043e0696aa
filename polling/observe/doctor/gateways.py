"""Gateways: whether they may be called, and what each says when it is asked about one of its cards."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from random import Random

from django.conf import settings
from redis import Redis

from cards.models import Card
from carriers.breakers import Breakers, Rest
from carriers.limits import slots_of
from carriers.models import Carrier, Gateway
from common.http.outgoing import Outgoing
from polling.checks.test_call import sample_of, trouble_of
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.policy.config_snapshot import ConfigSnapshot


def look(redis: Redis) -> Iterator[Finding]:
    """Every gateway; those that are open are called once each, beside each other, on slots like every call."""
    gateways, snapshot = list(Gateway.objects.select_related("carrier")), ConfigSnapshot.read()
    rests = Breakers(redis).rests(gateway.pk for gateway in gateways)
    held = {gateway_id for gateway_id, rest in rests.items() if not rest.is_open}
    with ExitStack() as slots:
        calls = {
            gateway: iccid
            for gateway in gateways
            if closed(gateway, snapshot) is None
            and gateway.pk not in held
            and (iccid := sample_of(gateway, Random()))
            and _has_slot(redis, gateway, slots)
        }
        errors = asyncio.run(_ask(calls))
    for gateway in gateways:
        yield closed(gateway, snapshot) or answer(gateway.name, errors.get(gateway), rests.get(gateway.pk))
    for carrier in Carrier.objects.exclude(pk__in=[one.carrier_id for one in gateways if one.is_default]):
        if Card.objects.present().filter(carrier=carrier, gateway=None).exists():
            yield trouble(
                f"carrier {carrier}",
                "it has cards, but no default gateway: those without a gateway of their own are not asked about",
                "make one of its gateways the default in the admin",
            )


def closed(gateway: Gateway, snapshot: ConfigSnapshot) -> Finding | None:
    """None: it may be called. Pure."""
    subject = f"gateway {gateway.name}"
    if not gateway.is_enabled:
        return note(subject, "disabled: its cards wait", "enable it in the admin")
    if gateway.paused_until and gateway.paused_until > snapshot.now:
        until = f"{gateway.paused_until:%Y-%m-%d %H:%M} UTC"
        return note(
            subject, f"paused until {until}: {gateway.pause_reason}", "clear 'paused until' in the admin"
        )
    if any(one in snapshot.pauses for one in (("gateway", gateway.pk), ("carrier", gateway.carrier_id))):
        return note(subject, "paused: its cards wait", "see 'pauses' in the admin: who, why, until when")
    return None


def answer(name: str, error: str | None, rest: Rest | None) -> Finding:
    """`error`: what was wrong with the call; empty: nothing; None: there was none. Pure."""
    subject = f"gateway {name}"
    if error:
        waits = resting(rest) or "its cards are asked about again every 30 to 60 s"
        return trouble(
            subject,
            f"{error}: {waits}",
            "see its base URL and credentials in the admin, and ask the carrier; to wait quietly, add a pause",
        )
    if rest:
        return note(
            subject, resting(rest), "wait: when a probe is answered its cards come back within a minute"
        )
    if error is None:
        return ok(subject, "open; not asked, because it has no card or no free slot")
    return ok(subject, "answers")


def resting(rest: Rest | None) -> str:
    """Why a gateway is left alone, in words; empty when it is not."""
    if rest is None:
        return ""
    if rest.is_open:
        return f"its breaker is open: its cards wait, the next probe is in {rest.left.total_seconds():.0f} s"
    return f"it asked to be left alone for another {rest.left.total_seconds():.0f} s"


def _has_slot(redis: Redis, gateway: Gateway, held: ExitStack) -> bool:
    slots = held.enter_context(slots_of(redis, gateway.pk).hold())
    slots.grow_to(1)
    return len(slots) == 1


async def _ask(calls: Mapping[Gateway, str]) -> Mapping[Gateway, str]:
    networks = settings.COMMON.gateway_networks
    async with Outgoing(allowed_networks=networks, connections=len(calls) + 1) as outgoing:
        errors = await asyncio.gather(
            *(trouble_of(gateway, iccid, outgoing) for gateway, iccid in calls.items())
        )
    return dict(zip(calls, errors, strict=True))
