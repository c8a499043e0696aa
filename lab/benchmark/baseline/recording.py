"""Records one card's reading through the ORM, and leaves the same rows as the engine's data-usage check."""

from dataclasses import asdict
from datetime import datetime

from django.db import transaction

from cards.meter import Meter, Reading, Tariff
from cards.meter_store import METER_COLUMNS, lines_of, meter_from, values_of
from cards.metering import advance, is_worth_recording
from cards.models import (
    Card,
    CardEvent,
    CardUsage,
    CheckState,
    CheckType,
    PlanCycle,
    Subscription,
    UsageRecord,
)
from cards.usage_allocation import Allowance, Growth, allocate_usage, applicable, growths_of
from carriers.clients.base import UsageReading
from carriers.cycles import BillingCalendar


def record(card: Card, reading: UsageReading, *, tariff: Tariff, now: datetime) -> None:
    """Meter a reading, and write all resulting rows in one transaction.

    `card` should be loaded with `select_related("usage")`. Otherwise its meter takes another query.
    """
    with transaction.atomic():
        _note_check(card, now)
        _note_network(card, reading, now)
        row = getattr(card, "usage", None) or CardUsage(card=card)
        before = None if row.pk is None else meter_from([getattr(row, name) for name in METER_COLUMNS])
        metered = Reading(reading.used_mb, reading.measured_at)
        step = advance(before, metered, tariff)
        if step.meter != before:
            _write_meter(row, step.meter)
        if is_worth_recording(before, step.meter):
            for line in lines_of(card.pk, metered, step):
                UsageRecord.objects.create(recorded_at=now, **asdict(line))
        for growth in growths_of(card.pk, before, step, tariff.calendar):
            _count(card, growth, tariff.calendar)


def _note_check(card: Card, now: datetime) -> None:
    good = {"checked_at": now, "failures": 0, "error": "", "failing_since": None}
    states = CheckState.objects.filter(card_id=card.pk, type=CheckType.DATA_USAGE)
    if not states.update(**good):
        CheckState.objects.create(card=card, type=CheckType.DATA_USAGE, **good)


def _note_network(card: Card, reading: UsageReading, now: datetime) -> None:
    network = reading.network
    if network is None or network.value == card.network_status:
        return
    CardEvent.objects.create(
        card=card,
        at=now,
        kind=CardEvent.Kind.NETWORK,
        before=card.network_status,
        after=network.value,
        cause="data usage check",
    )
    card.network_status, card.network_checked_at = network.value, now
    card.save(update_fields=["network_status", "network_checked_at"])


def _write_meter(row: CardUsage, meter: Meter) -> None:
    for name, value in zip(METER_COLUMNS, values_of(meter), strict=True):
        setattr(row, name, value)
    row.save(update_fields=None if row.pk is None else METER_COLUMNS)


def _count(card: Card, growth: Growth, calendar: BillingCalendar) -> None:
    """Add the growth in the card's usage to the used amounts of the subscriptions in force."""
    in_force = Subscription.objects.of_card(card).in_force_at(growth.measured_at)
    rows = {row.pk: row for row in in_force.select_for_update().order_by("pk")}
    chosen = applicable([_allowance(row, calendar) for row in rows.values()], growth.measured_at)
    if not chosen:
        return
    for allowance in allocate_usage(chosen, growth):
        row = rows[allowance.id]
        if (row.used_mb, row.period_start) != (allowance.used_mb, allowance.period_start):
            row.used_mb, row.period_start = allowance.used_mb, allowance.period_start
            row.save(update_fields=["used_mb", "period_start"])


def _allowance(row: Subscription, calendar: BillingCalendar) -> Allowance:
    # All cards in a demo device have the same carrier, so the device's plan follows that carrier's calendar.
    return Allowance(
        row.pk, row.card_id is not None, row.kind == Subscription.Kind.MAIN, row.allowance_mb, row.used_mb,
        row.period_start, row.starts_at, row.ends_at, PlanCycle(row.cycle), calendar, row.quota_version,
    )  # fmt: skip
