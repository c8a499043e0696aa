"""The data usage check: it reads a card's counter, and updates the card's meter and subscriptions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from cards import carrier_state, meter_store, subscription_usage
from cards.meter_store import UsageLine
from cards.metering import Meter, Reading, Step, Tariff, advance, is_worth_recording
from cards.models import Card, CheckType
from cards.usage_allocation import Growth
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
        growing = _meter(readings, now)
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


def _meter(results: Sequence[Result], now: datetime) -> set[int]:
    """Store meters, usage records and subscription usage.

    Return the ids of the cards whose subscriptions may have gained usage or entered a new period.
    """
    before = meter_store.meters_of([result.card.claim.card_id for result in results])
    after: dict[int, Meter] = {}
    lines: list[UsageLine] = []
    growths: list[Growth] = []
    for result in results:
        card_id = result.card.claim.card_id
        meter, reading = before.get(card_id), _reading(result)
        step = advance(meter, reading, result.card.tariff)
        if step.meter != meter:
            after[card_id] = step.meter
        if is_worth_recording(meter, step.meter):
            lines += meter_store.lines_of(card_id, reading, step)
        growths += _growths(card_id, meter, step, result.card.tariff)
    meter_store.store_meters(after)
    meter_store.append(lines, now=now)
    subscription_usage.count(growths)
    return {growth.card_id for growth in growths}


def _reading(result: Result) -> Reading:
    answer = cast(UsageReading, result.answer)
    network = answer.network.value if answer.network else result.card.profile.network_status
    return Reading(answer.used_mb, answer.measured_at, is_stopped=network == Card.NetworkStatus.STOPPED)


def _growths(card_id: int, before: Meter | None, step: Step, tariff: Tariff) -> list[Growth]:
    meter = step.meter
    if before is None:
        since = tariff.calendar.start_of(meter.cycle_start)
        return [Growth(card_id, meter.used_mb, meter.measured_at, since)]
    # Report the first reading of each day even if nothing was used, so that a new period starts at 0 on time.
    day_of = tariff.calendar.day_of
    if step.delta_mb or day_of(meter.measured_at) != day_of(before.measured_at):
        return [Growth(card_id, step.delta_mb, meter.measured_at)]
    return []
