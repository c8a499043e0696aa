"""Puts cards into the schedule, when their last good answer and their class's config say so."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from redis import Redis

from cards.models import CheckType
from polling.models import PollingConfig
from polling.policy import card_reader
from polling.policy.card_reader import Group, Row
from polling.policy.matching import fingerprint
from polling.policy.rules import Rules
from polling.schedule.backoff import by_need, when_planned
from polling.schedule.schedule import PlanMode, Schedule


class Intervals(dict[Group, float | None]):
    """Seconds between two checks of one type: decided once a group, not once a card, because there are few."""

    def __init__(self, check_type: CheckType, rules: Rules) -> None:
        """By the rules in force."""
        super().__init__()
        self._check_type, self._rules = check_type, rules

    def __missing__(self, group: Group) -> float | None:
        interval = self._rules.interval_for(group, self._check_type)
        self[group] = interval.total_seconds() if interval else None
        return self[group]


@dataclass(frozen=True)
class Plan:
    """What is to become of some cards' checks: due after a delay in seconds, or not to be made."""

    check_type: CheckType
    due: list[tuple[int, float]] = field(default_factory=list)
    unwanted: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Planner:
    """Plans rows of cards by the rules in force. Overdue and never-checked cards come over `ramp`."""

    redis: Redis
    rules: Rules
    ramp: timedelta
    decided: dict[CheckType, Intervals] = field(default_factory=dict)

    def is_behind(self) -> bool:
        """Whether other configs are in force by now."""
        return fingerprint(PollingConfig.objects.in_force()) != fingerprint(self.rules.configs)

    def intervals(self, check_type: CheckType) -> Intervals:
        """What the rules say of each group."""
        if check_type not in self.decided:
            self.decided[check_type] = Intervals(check_type, self.rules)
        return self.decided[check_type]

    def draw_up(self, check_type: CheckType, rows: Sequence[Row]) -> Plan:
        """Decide; nothing is changed yet."""
        plan, intervals = Plan(check_type), self.intervals(check_type)
        ages, tokens = card_reader.last_checks(check_type, [card_id for card_id, _ in rows])
        overdue = []
        for card_id, group in rows:
            interval = intervals[group]
            if interval is None:
                plan.unwanted.append(card_id)
            elif (delay := when_planned(card_id, ages.get(card_id), interval)) is None:
                overdue.append(card_id)
            else:
                plan.due.append((card_id, delay))
        plan.due.extend(by_need(overdue, tokens, ramp=self.ramp.total_seconds()))
        return plan

    def carry_out(self, plan: Plan, *, mode: PlanMode) -> int:
        """Schedule what is wanted; returns how many cards were not scheduled before.

        To MOVE is also to take those out that do not want the check any more: then `look_again`.
        """
        schedule = Schedule(self.redis, plan.check_type)
        if mode is PlanMode.MOVE:
            schedule.forget(plan.unwanted)
        return schedule.plan(plan.due, mode=mode)

    def move(self, check_types: Collection[CheckType], cards: Collection[int]) -> None:
        """Move `cards` to where they belong now; deleted ones leave the schedule."""
        rows = card_reader.rows_of(cards)
        deleted = set(cards).difference(card_id for card_id, _ in rows)
        for check_type in check_types:
            plan = self.draw_up(check_type, rows)
            plan.unwanted.extend(deleted)
            self.carry_out(plan, mode=PlanMode.MOVE)
        self.look_again(check_types, cards, rows)

    def look_again(
        self, check_types: Collection[CheckType], cards: Collection[int], rows: Sequence[Row]
    ) -> None:
        """Move those of `cards` once more that are not what they were when `rows` were read.

        Whoever changed one has moved it at once, and we may have moved it back.
        """
        before, now = dict(rows), dict(card_reader.rows_of(cards))
        changed = [card_id for card_id in cards if now.get(card_id) != before.get(card_id)]
        if changed:
            self.move(check_types, changed)

    def park(self, check_type: CheckType, cards: Collection[int] | None = None) -> None:
        """Set aside the cards whose rows say so, all or those of `cards`: they cannot be planned."""
        Schedule(self.redis, check_type).park(sorted(self._parked_by_rows(check_type, cards)))

    def restore_parked(self, check_type: CheckType) -> None:
        """Park by the rows, and let go of those whose rows do not say so: a walk plans them."""
        schedule = Schedule(self.redis, check_type)
        # Before the rows: who is being parked now has a row by the time that he is seen here.
        before = schedule.parked()
        wanted = self._parked_by_rows(check_type)
        schedule.unpark(before - wanted)
        schedule.park(sorted(wanted - before))

    def _parked_by_rows(self, check_type: CheckType, cards: Collection[int] | None = None) -> set[int]:
        intervals = self.intervals(check_type)
        return {card_id for card_id, group in card_reader.parked(check_type, cards) if intervals[group]}
