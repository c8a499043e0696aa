"""Asks the gateways about a batch of cards: one call per gateway and portion, all at once."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog

from carriers.clients.base import GatewayAddress, GatewayClient, GatewayError
from carriers.clients.registry import ADAPTERS
from carriers.models import Gateway
from common.http.outgoing import Outgoing
from polling.checks.base import GatewayCheck, PolledCard, Result

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Call:
    """The cards of one gateway that one call asks about."""

    gateway: Gateway
    cards: Sequence[PolledCard]


@dataclass(frozen=True)
class Answered:
    """What came of a call. No results: the gateway is in trouble, its cards are asked again."""

    call: Call
    results: Sequence[Result]
    duration_ms: int


def calls_for(cards: Sequence[PolledCard], gateways: Mapping[int, Gateway]) -> list[Call]:
    """Group cards by gateway, in portions of the gateway's batch size."""
    calls = []
    ordered = sorted(cards, key=lambda card: card.gateway_id)
    for gateway_id, group in groupby(ordered, key=lambda card: card.gateway_id):
        gateway, members = gateways[gateway_id], list(group)
        calls += [
            Call(gateway, members[start : start + gateway.batch_size])
            for start in range(0, len(members), gateway.batch_size)
        ]
    return calls


async def fetch(check: GatewayCheck, calls: Sequence[Call], outgoing: Outgoing) -> list[Answered]:
    """Make all `calls` at once; the caller holds a seat for each."""
    return await asyncio.gather(*(_one(check, call, outgoing) for call in calls))


async def _one(check: GatewayCheck, call: Call, outgoing: Outgoing) -> Answered:
    started = time.perf_counter()
    results: Sequence[Result] = ()
    try:
        results = await check.ask(_client(call.gateway, outgoing), call.cards)
    except GatewayError as error:
        log.warning(
            "gateway_call_failed", gateway=call.gateway.name, cards=len(call.cards), reason=str(error)
        )
    return Answered(call, results, round((time.perf_counter() - started) * 1000))


def _client(gateway: Gateway, outgoing: Outgoing) -> GatewayClient:
    address = GatewayAddress(gateway.base_url, gateway.credentials, gateway.timeout_seconds)
    return ADAPTERS[gateway.adapter](address, outgoing)
