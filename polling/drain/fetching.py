"""Asks the gateways about a batch of cards: one call per gateway and portion, all at once."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random

import structlog

from carriers.clients.base import GatewayClient, GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing
from polling.checks.base import GatewayCheck, PolledCard, Result

LOOK_SECONDS = 0.2
# A worker that is asked to stop must be gone within ten seconds; a call may take as long.
CALLS_MAY_END_SECONDS = 4.0

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


def calls_for(cards: Sequence[PolledCard], gateways: Mapping[int, Gateway], chance: Random) -> list[Call]:
    """Group cards by gateway, in portions of the gateway's batch size.

    The order is by chance: when there are seats for some of the calls only, no gateway is always last.
    """
    calls = []
    ordered = sorted(cards, key=lambda card: card.gateway_id)
    for gateway_id, group in groupby(ordered, key=lambda card: card.gateway_id):
        gateway, members = gateways[gateway_id], list(group)
        calls += [
            Call(gateway, members[start : start + gateway.batch_size])
            for start in range(0, len(members), gateway.batch_size)
        ]
    chance.shuffle(calls)
    return calls


async def fetch(
    check: GatewayCheck, calls: Sequence[Call], outgoing: Outgoing, *, should_stop: Callable[[], bool]
) -> list[Answered]:
    """Make all `calls` at once; the caller holds a seat for each.

    Asked to stop, it waits a few seconds for running calls; those that are cut off are not in the list.
    """
    clients: dict[int, GatewayClient] = {}
    running = [asyncio.ensure_future(_one(check, call, clients, outgoing)) for call in calls]
    give_up_at: float | None = None
    pending: set[asyncio.Future[Answered]] = set(running)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=LOOK_SECONDS)
        if give_up_at is None and should_stop():
            give_up_at = time.monotonic() + CALLS_MAY_END_SECONDS
        if give_up_at is not None and time.monotonic() > give_up_at:
            break
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return [task.result() for task in running if not task.cancelled()]


async def _one(
    check: GatewayCheck, call: Call, clients: dict[int, GatewayClient], outgoing: Outgoing
) -> Answered:
    started = time.perf_counter()
    results: Sequence[Result] = ()
    try:
        if call.gateway.pk not in clients:
            clients[call.gateway.pk] = call.gateway.client(outgoing)
        results = await check.ask(clients[call.gateway.pk], call.cards)
    except GatewayError as error:
        log.warning(
            "gateway_call_failed", gateway=call.gateway.name, cards=len(call.cards), reason=str(error)
        )
    except Exception:
        # A fault of ours in one call must not take the other calls' answers with it.
        log.exception("gateway_call_broke", gateway=call.gateway.name, cards=len(call.cards))
    return Answered(call, results, round((time.perf_counter() - started) * 1000))
