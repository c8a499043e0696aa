"""Examine the gateways: whether each may be called, and whether it answers a call about one of its cards."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from random import Random

from django.conf import settings
from redis import Redis

from cards.models import Card
from carriers.breakers import Breakers, Rest
from carriers.limits import slots_of
from carriers.models import Carrier, Gateway
from common.http.outgoing import Outgoing
from polling.checks.test_call import failure_reason, sample_of
from polling.observe import gateway_states
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.gateway_states import GatewayStatus, State

ADVICE = (
    "check its base URL and credentials in the admin, and ask the carrier; to stop all calls until it works, add a "
    "pause"
)


def examine(redis: Redis) -> Iterator[Finding]:
    """Yield a finding for every gateway, and for every carrier that needs a default gateway but has none.

    Each gateway is called once, unless it is disabled or paused, has asked for a rest, or has no card or no
    free slot. Gateways with an open breaker are called too. The calls run concurrently, and each takes a slot
    of its gateway.
    """
    gateways = list(Gateway.objects.select_related("carrier"))
    statuses = gateway_states.read(gateways)
    closed = {pk for pk, found in statuses.items() if found.state in {State.DISABLED, State.PAUSED}}
    rests = Breakers(redis).rests(gateway.pk for gateway in gateways)
    resting = {gateway_id for gateway_id, rest in rests.items() if not rest.is_open}
    with ExitStack() as slots:
        calls = {
            gateway: iccid
            for gateway in gateways
            if gateway.pk not in closed | resting
            and (iccid := sample_of(gateway, Random()))
            and _has_slot(redis, gateway, slots)
        }
        errors = asyncio.run(_ask(calls))
    for gateway in gateways:
        if gateway.pk in closed:
            yield by_status(statuses[gateway.pk])
        else:
            yield judge_call(gateway.name, errors.get(gateway), rests.get(gateway.pk))
    yield from carriers_without_default(gateways)


def carriers_without_default(gateways: Sequence[Gateway]) -> Iterator[Finding]:
    """Yield a finding for every carrier that needs a default gateway but has none."""
    for carrier in Carrier.objects.exclude(
        pk__in=[gateway.carrier_id for gateway in gateways if gateway.is_default]
    ):
        if Card.objects.present().filter(carrier=carrier, gateway=None).exists():
            yield trouble(
                f"carrier {carrier}",
                "it has cards, but no default gateway: cards without a gateway of their own get no gateway checks",
                "make one of its gateways the default in the admin",
            )


def glance() -> Iterator[Finding]:
    """Yield the same findings, from what is known of the gateways. None of them is called."""
    gateways = list(Gateway.objects.all())
    yield from map(by_status, gateway_states.read(gateways).values())
    yield from carriers_without_default(gateways)


def by_status(status: GatewayStatus) -> Finding:
    """Return the finding about the status of a gateway."""
    subject = f"gateway {status.gateway.name}"
    if status.is_trouble:
        return trouble(subject, status.words, ADVICE)
    if status.state is State.DISABLED:
        return note(subject, "disabled: its cards wait", "enable it in the admin")
    if status.state is State.PAUSED:
        advice = "to end it early, delete it under 'pauses'" if status.paused_by else "clear 'paused until'"
        return note(subject, status.words, f"{advice} in the admin")
    if status.state is State.LEFT_ALONE:
        return note(subject, status.words, "wait: its checks resume by themselves")
    return ok(subject, status.words)


def judge_call(name: str, error: str | None, rest: Rest | None) -> Finding:
    """Return the finding about a test call to the gateway `name`.

    `error` says why the call failed. It is empty if the gateway answered, and None if no call was made.
    """
    subject = f"gateway {name}"
    if error:
        consequence = rest_reason(rest) or "its cards are retried every 30 to 60 s"
        return trouble(
            subject,
            f"{error}: {consequence}",
            ADVICE,
        )
    if rest:
        return note(
            subject,
            rest_reason(rest),
            "wait: its checks resume within a minute after a trial call succeeds",
        )
    if error is None:
        return ok(subject, "open; not called, because it has no card or no free slot")
    return ok(subject, "answers")


def rest_reason(rest: Rest | None) -> str:
    """Return the reason why a gateway rests, in words; an empty string if `rest` is None."""
    if rest is None:
        return ""
    if rest.is_open:
        return f"its breaker is open: its cards wait, the next trial call is in {rest.left.total_seconds():.0f} s"
    return f"it asked for no calls for another {rest.left.total_seconds():.0f} s"


def _has_slot(redis: Redis, gateway: Gateway, held: ExitStack) -> bool:
    slots = held.enter_context(slots_of(redis, gateway.pk).hold())
    slots.grow_to(1)
    return len(slots) == 1


async def _ask(calls: Mapping[Gateway, str]) -> Mapping[Gateway, str]:
    networks = settings.COMMON.gateway_networks
    async with Outgoing(allowed_networks=networks, connections=len(calls) + 1) as outgoing:
        errors = await asyncio.gather(
            *(failure_reason(gateway, iccid, outgoing) for gateway, iccid in calls.items())
        )
    return dict(zip(calls, errors, strict=True))
