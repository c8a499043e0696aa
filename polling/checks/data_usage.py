"""The data-usage check: reads the carrier's counter and meters the billing cycle."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import cast

from cards import check_states, subscription_usage, usage
from cards.check_states import CheckResult
from cards.consumption import Growth
from cards.metering import Meter, Reading, Step, Tariff, advance, is_news
from cards.models import CheckType
from cards.usage import UsageLine
from carriers.clients.base import CardError, CardErrorCode, GatewayClient, UsageReading
from polling.checks.base import GatewayCheck, Outcome, PolledCard, Recorded, Result

# A counter "measured" later than this would block every honest reading until then.
MAX_AHEAD = timedelta(hours=1)


class DataUsageCheck(GatewayCheck):
    """Asks how many megabytes the card has used this month."""

    type = CheckType.DATA_USAGE

    async def ask(self, client: GatewayClient, cards: Sequence[PolledCard]) -> list[Result]:
        """See the base class."""
        answers = await client.usage([card.iccid for card in cards])
        return [Result(card, answer) for card, answer in zip(cards, answers, strict=True)]

    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        """See the base class."""
        judged = [_judged(result, now) for result in results]
        tokens = {result.card.claim.card_id: result.card.claim.token for result in judged}
        newer = check_states.lock_newer(self.type, tokens)
        accepted = [result for result in judged if result.card.claim.card_id in newer]
        if accepted:
            check_states.write(self.type, [_check_result(result) for result in accepted], now=now)
            _meter([result for result in accepted if isinstance(result.answer, UsageReading)], now)
        return [Outcome(result.card, _recorded(result, newer)) for result in judged]


def _recorded(result: Result, newer: Collection[int]) -> Recorded:
    if result.card.claim.card_id not in newer:
        return Recorded.REFUSED
    return Recorded.ANSWER if isinstance(result.answer, UsageReading) else Recorded.CARD_ERROR


def _judged(result: Result, now: datetime) -> Result:
    if isinstance(result.answer, UsageReading) and result.answer.measured_at - now > MAX_AHEAD:
        return Result(result.card, CardError(CardErrorCode.ABSURD))
    return result


def _check_result(result: Result) -> CheckResult:
    error = result.answer.code.value if isinstance(result.answer, CardError) else ""
    return CheckResult(result.card.claim.card_id, result.card.claim.token, error)


def _meter(results: Sequence[Result], now: datetime) -> None:
    before = usage.meters_of([result.card.claim.card_id for result in results])
    after: dict[int, Meter] = {}
    lines: list[UsageLine] = []
    growths: list[Growth] = []
    for result in results:
        card_id, answer = result.card.claim.card_id, cast(UsageReading, result.answer)
        meter, reading = before.get(card_id), Reading(answer.used_mb, answer.measured_at)
        step = advance(meter, reading, result.card.tariff)
        if step.meter != meter:
            after[card_id] = step.meter
        if is_news(meter, step.meter):
            lines.append(
                UsageLine(card_id, reading.measured_at, reading.raw_mb, step.meter.used_mb, step.delta_mb)
            )
        growths += _growths(card_id, meter, step, result.card.tariff)
    usage.store_meters(after)
    usage.append(lines, now=now)
    subscription_usage.count(growths)


def _growths(card_id: int, before: Meter | None, step: Step, tariff: Tariff) -> list[Growth]:
    meter = step.meter
    if before is None:
        since = tariff.calendar.start_of(meter.cycle_start)
        return [Growth(card_id, meter.used_mb, meter.measured_at, since)]
    # Each day is told also without growth: a period that nobody uses begins at 0 as well.
    day_of = tariff.calendar.day_of
    if step.delta_mb or day_of(meter.measured_at) != day_of(before.measured_at):
        return [Growth(card_id, step.delta_mb, meter.measured_at)]
    return []
