"""Write what a batch of readings changes: meters, the history of usage, and the usage of subscriptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cards import meter_store, subscription_usage
from cards.meter import Meter, Reading, Tariff
from cards.meter_store import UsageLine
from cards.metering import advance, is_worth_recording
from cards.usage_allocation import Growth, growths_of


@dataclass(frozen=True)
class MeteredReading:
    """A reading of one card's counter, and how to interpret it."""

    card_id: int
    reading: Reading
    tariff: Tariff


def record(readings: Sequence[MeteredReading], *, now: datetime) -> set[int]:
    """Record at most one reading for each card.

    Return the ids of the cards whose subscriptions may have gained usage or entered a new period. Needs a
    transaction, in which the caller has locked the check states of the cards.
    """
    before = meter_store.meters_of([metered.card_id for metered in readings])
    after: dict[int, Meter] = {}
    lines: list[UsageLine] = []
    growths: list[Growth] = []
    for metered in readings:
        card_id, reading, tariff = metered.card_id, metered.reading, metered.tariff
        meter = before.get(card_id)
        if meter is None and not reading.is_evidence:
            continue
        step = advance(meter, reading, tariff)
        if step.meter is not meter:
            after[card_id] = step.meter
        if is_worth_recording(meter, step.meter):
            lines += meter_store.lines_of(card_id, reading, step)
        growths += growths_of(card_id, meter, step, tariff.calendar)
    meter_store.store_meters(before, after)
    # Corrections are limited by the records before this reading.
    subscription_usage.count(growths)
    meter_store.append(lines, now=now)
    return {growth.card_id for growth in growths}
