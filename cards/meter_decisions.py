"""Let a person decide about uncertain usage: accept the carrier's counter, or keep what was counted without it."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.db import transaction

from cards import check_states, meter_store, signals, subscription_usage
from cards.counter_drops import is_rise_doubted
from cards.meter import Cause, Doubt, Meter, Reading, Restart, Step
from cards.models import Card, CardEvent, CheckType
from cards.usage_allocation import Growth, growths_of
from common.frozen import changed


class Decision(StrEnum):
    """What to believe."""

    ACCEPT_COUNTER = "accept the counter"
    KEEP_USAGE = "keep the usage"


def decide(cards: Collection[int], decision: Decision, *, cause: str, now: datetime) -> list[int]:
    """Apply `decision` to those of `cards` whose usage is uncertain, and return their ids.

    The correction is a usage record, the subscriptions follow it, and each card gets an event. From then on,
    growth is measured from the latest counter.
    """
    with transaction.atomic():
        check_states.lock(CheckType.DATA_USAGE, cards)
        before = meter_store.meters_of(cards)
        steps = {
            card_id: decided(meter, decision) for card_id, meter in before.items() if not meter.is_certain
        }
        meter_store.store_meters(before, {card_id: step.meter for card_id, step in steps.items()})
        lines = [
            line
            for card_id, step in steps.items()
            for line in meter_store.lines_of(card_id, _reading(step.meter), step)
        ]
        growths: list[Growth] = []
        for card in Card.objects.filter(pk__in=steps).select_related("carrier"):
            growths += growths_of(card.pk, before[card.pk], steps[card.pk], card.carrier.calendar)
        subscription_usage.count(growths)
        meter_store.append(lines, now=now)
        CardEvent.objects.bulk_create(
            CardEvent(
                card_id=card_id,
                at=now,
                kind=CardEvent.Kind.USAGE,
                before=f"{before[card_id].used_mb} MB",
                after=f"{step.meter.used_mb} MB",
                cause=f"{cause}: {decision.value}",
            )
            for card_id, step in steps.items()
        )
        signals.send_on_commit(sorted(steps))
        return sorted(steps)


def changes(cards: Collection[int], decision: Decision) -> list[Decimal]:
    """Return by how many megabytes `decision` would change the usage of each of the uncertain cards."""
    meters = meter_store.meters_of(cards).values()
    return [decided(meter, decision).delta_mb for meter in meters if not meter.is_certain]


def decided(meter: Meter, decision: Decision) -> Step:
    """Return the certain meter that `decision` makes of an uncertain one, and the change of its usage."""
    added = _believed(meter) if decision is Decision.ACCEPT_COUNTER else Decimal(0)
    raw, at, before = meter.raw_mb, meter.measured_at, meter.before
    if meter.suspect:
        # The decision is undone if the counter returns.
        raw, at = meter.suspect.raw_mb, max(at, meter.suspect.since)
        before = meter.remembered(meter.suspect.since)
    elif before and decision is Decision.KEEP_USAGE and is_rise_doubted(meter):
        # Take the rise back. If the counter still shows it, the next reading is doubted again.
        added, raw, before = before.used_mb - meter.used_mb, before.raw_mb, None
    certain = changed(
        meter,
        used_mb=meter.used_mb + added,
        raw_mb=raw,
        measured_at=at,
        restart=_restart(meter, decision),
        lower_since=None,
        suspect=None,
        before=before,
        uncertainty=None,
    )
    return Step(certain, added, cause=Cause.DECIDED)


def _restart(meter: Meter, decision: Decision) -> Restart:
    """Return whether the counter has restarted, as the decision says. If it may still do so, wait for it."""
    is_about_restart = meter.doubt in {Doubt.BOUNDARY_NOT_SEEN, Doubt.NOT_RESTARTED}
    if meter.restart is Restart.MISSED or (is_about_restart and decision is Decision.ACCEPT_COUNTER):
        return Restart.SEEN
    return meter.restart


def _believed(meter: Meter) -> Decimal:
    """Return the usage that the carrier's counter shows in addition to the meter's."""
    if meter.suspect is None:
        # If the counter has restarted unseen, all that it shows is usage of this cycle. Otherwise, usage that may
        # be too high is already the counter's.
        has_restarted = meter.restart in {Restart.AWAITED, Restart.MISSED}
        return meter.under_mb if has_restarted or not meter.over_mb else Decimal(0)
    if meter.suspect.raw_mb >= meter.raw_mb:
        return meter.suspect.raw_mb - meter.raw_mb
    # The counter was replaced, and has counted from 0.
    return meter.suspect.raw_mb


def _reading(meter: Meter) -> Reading:
    return Reading(meter.raw_mb, meter.measured_at)
