"""The data usage check: it reads a card's counter, and updates the card's meter and subscriptions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from cards import carrier_state, usage_recording
from cards.meter import Reading
from cards.models import Card, CheckType
from cards.usage_recording import MeteredReading
from carriers.clients.base import CardError, CardErrorCode, GatewayClient, UsageReading
from polling.checks.accepting import accept, recorded, refused
from polling.checks.base import GatewayCheck, Outcome, PolledCard, Result

# Reject a reading that is dated further in the future than this, because the meter would then ignore correct
# readings with earlier dates.
MAX_AHEAD = timedelta(hours=1)


class DataUsageCheck(GatewayCheck):
    """The check that asks how many megabytes a card has used, and whether the card may use its network."""

    type = CheckType.DATA_USAGE

    async def ask(self, client: GatewayClient, cards: Sequence[PolledCard]) -> list[Result]:
        answers = await client.usage([card.iccid for card in cards])
        return [Result(card, answer) for card, answer in zip(cards, answers, strict=True)]

    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        accepted = accept(self.type, [_validated(result, now) for result in results], now=now)
        readings = [result for result in accepted if isinstance(result.answer, UsageReading)]
        # Lock cards before subscriptions, as all writers do, so that transactions cannot deadlock.
        _store_network(readings, now)
        growing = usage_recording.record([_metered(result) for result in readings], now=now)
        outcomes = [_outcome(result, growing) for result in accepted]
        return outcomes + refused(results, accepted)


def _outcome(result: Result, growing: set[int]) -> Outcome:
    card = result.card
    # The new usage may have used up the plan, so let the package check run soon.
    hastens = CheckType.PACKAGE if card.claim.card_id in growing else None
    if isinstance(result.answer, UsageReading) and result.answer.network:
        card = replace(card, profile=card.profile._replace(network_status=result.answer.network.value))
    return Outcome(card, recorded(result), hastens)


def _validated(result: Result, now: datetime) -> Result:
    if isinstance(result.answer, UsageReading) and result.answer.measured_at - now > MAX_AHEAD:
        return Result(result.card, CardError(CardErrorCode.ABSURD))
    return result


def _store_network(results: Sequence[Result], now: datetime) -> None:
    changes: dict[int, str] = {}
    for result in results:
        network = cast(UsageReading, result.answer).network
        if network and network != result.card.profile.network_status:
            changes[result.card.claim.card_id] = network.value
    carrier_state.store(carrier_state.NETWORK, changes, cause="data usage check", now=now)


def _metered(result: Result) -> MeteredReading:
    return MeteredReading(result.card.claim.card_id, _reading(result), result.card.tariff)


def _reading(result: Result) -> Reading:
    answer = cast(UsageReading, result.answer)
    network = answer.network.value if answer.network else result.card.profile.network_status
    return Reading(answer.used_mb, answer.measured_at, is_stopped=network == Card.NetworkStatus.STOPPED)
