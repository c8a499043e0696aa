"""Puts cards into the schedule, when their last good answer and their class's config say so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckState, CheckType
from polling.due import when_planned
from polling.matching import CardClass, interval_for
from polling.models import PollingConfig
from polling.store.schedule import PlanMode, Schedule

CLASS_FIELDS = (
    "carrier_id",
    "category",
    "status",
    "real_name_status",
    "network_status",
    "enable_polling",
)

Row = tuple[int, CardClass]
MOST_NAMED = 5_000


@dataclass(frozen=True)
class Planner:
    """Plans rows of cards by the configs in force. Overdue and never-checked cards come over `ramp`."""

    redis: Redis
    configs: tuple[PollingConfig, ...]
    chance: Random
    ramp: timedelta

    def plan(
        self,
        check_type: CheckType,
        rows: Sequence[Row],
        checked_at: Mapping[int, datetime],
        *,
        mode: PlanMode,
    ) -> set[int]:
        """Plan those of `rows` that want the check; returns their ids."""
        now = timezone.now()
        # Decided once a class, not once a card: there are few.
        intervals = {card: interval_for(card, check_type, self.configs) for card in {row[1] for row in rows}}
        due = [
            (
                card_id,
                when_planned(
                    checked_at.get(card_id), interval, now=now, ramp=self.ramp, chance=self.chance
                ).total_seconds(),
            )
            for card_id, card in rows
            if (interval := intervals[card])
        ]
        Schedule(self.redis, check_type).plan(due, mode=mode)
        return {card_id for card_id, _ in due}

    def replan(self, check_type: CheckType, cards: Collection[int], rows: Sequence[Row]) -> None:
        """Move `cards` to where they belong now: `rows` are those that are not deleted. Parked ones stay parked."""
        states = CheckState.objects.filter(type=check_type, **_among(cards))
        checked_at, parked = {}, set()
        for card_id, checked, parked_at in states.values_list("card_id", "checked_at", "parked_at"):
            if parked_at:
                parked.add(card_id)
            if checked:
                checked_at[card_id] = checked
        schedule = Schedule(self.redis, check_type)
        # By their rows: one that wants the check again is still not to be checked.
        schedule.park([card_id for card_id, _ in rows if card_id in parked])
        wanted = self.plan(check_type, rows, checked_at, mode=PlanMode.MOVE)
        schedule.forget([card_id for card_id in cards if card_id not in wanted])


def _among(cards: Collection[int]) -> dict[str, Any]:
    # A chunk of neighbours is read as a range: naming twenty thousand cards takes longer than reading some more.
    if len(cards) > MOST_NAMED:
        return {"card_id__gte": min(cards), "card_id__lte": max(cards)}
    return {"card_id__in": list(cards)}


def rows_of(cards: Collection[int]) -> list[Row]:
    """The classes of those of `cards` that are not deleted."""
    present = Card.objects.present().filter(id__in=cards).values_list("id", *CLASS_FIELDS)
    return [(card_id, CardClass(*values)) for card_id, *values in present]
