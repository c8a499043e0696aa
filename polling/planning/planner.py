"""Decide when cards are due, from their last good answer and the rules in force, and schedule them."""

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
from polling.schedule.backoff import spread_overdue, when_planned
from polling.schedule.schedule import PlanMode, Schedule


class Intervals(dict[Group, float | None]):
    """Seconds between two checks of one type, by group; None where the check is not made.

    Decided once per group instead of once per card, because there are few groups.
    """

    def __init__(self, check_type: CheckType, rules: Rules) -> None:
        super().__init__()
        self._check_type, self._rules = check_type, rules

    def __missing__(self, group: Group) -> float | None:
        interval = self._rules.interval_for(group, self._check_type)
        self[group] = interval.total_seconds() if interval else None
        return self[group]


@dataclass(frozen=True)
class Plan:
    """The outcome of planning one check: `due` holds (card id, delay in seconds), `unwanted` card ids."""

    check_type: CheckType
    due: list[tuple[int, float]] = field(default_factory=list)
    unwanted: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Planner:
    """Schedules cards by the given rules. Overdue and never-checked cards are spread over `ramp`.

    Example::

        planner = Planner(redis, Rules.in_force(redis), ramp=timedelta(seconds=60))
        plan = planner.draw_up(CheckType.DATA_USAGE, card_reader.rows_of(card_ids))
        planner.carry_out(plan, mode=PlanMode.NEW_ONLY)
    """

    redis: Redis
    rules: Rules
    ramp: timedelta
    decided: dict[CheckType, Intervals] = field(default_factory=dict)

    def has_stale_configs(self) -> bool:
        """Return whether the configs in force are no longer those of `rules`."""
        return fingerprint(PollingConfig.objects.in_force()) != fingerprint(self.rules.configs)

    def intervals(self, check_type: CheckType) -> Intervals:
        """Return the interval of each group for a check; computed on first use and kept."""
        if check_type not in self.decided:
            self.decided[check_type] = Intervals(check_type, self.rules)
        return self.decided[check_type]

    def draw_up(self, check_type: CheckType, rows: Sequence[Row]) -> Plan:
        """Return the plan for these cards. Reads their last checks and changes nothing."""
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
        plan.due.extend(spread_overdue(overdue, tokens, ramp=self.ramp.total_seconds()))
        return plan

    def carry_out(self, plan: Plan, *, mode: PlanMode) -> int:
        """Schedule the due cards of a plan; return how many were not scheduled before.

        MOVE also removes unwanted cards from the schedule. Call `move_changed` afterwards.
        """
        schedule = Schedule(self.redis, plan.check_type)
        if mode is PlanMode.MOVE:
            schedule.forget(plan.unwanted)
        return schedule.plan(plan.due, mode=mode)

    def move(self, check_types: Collection[CheckType], cards: Collection[int]) -> None:
        """Reschedule `cards` by their current rows; deleted cards leave the schedule."""
        rows = card_reader.rows_of(cards)
        deleted = set(cards).difference(card_id for card_id, _ in rows)
        for check_type in check_types:
            plan = self.draw_up(check_type, rows)
            plan.unwanted.extend(deleted)
            self.carry_out(plan, mode=PlanMode.MOVE)
        self.move_changed(check_types, cards, rows)

    def move_changed(
        self, check_types: Collection[CheckType], cards: Collection[int], rows: Sequence[Row]
    ) -> None:
        """Reschedule those of `cards` that have changed since `rows` were read.

        The process that changed a card has rescheduled it at once, and this planner may have undone that.
        """
        before, now = dict(rows), dict(card_reader.rows_of(cards))
        changed = [card_id for card_id in cards if now.get(card_id) != before.get(card_id)]
        if changed:
            self.move(check_types, changed)

    def park(self, check_type: CheckType, cards: Collection[int] | None = None) -> None:
        """Park in Redis the cards that are parked in their rows, so that they cannot be planned.

        `cards` None means all cards.
        """
        Schedule(self.redis, check_type).park(sorted(self._parked_by_rows(check_type, cards)))

    def restore_parked(self, check_type: CheckType) -> None:
        """Make the parked cards in Redis match the rows. A scan plans the cards that are unparked here."""
        schedule = Schedule(self.redis, check_type)
        # Read Redis before PostgreSQL: parking writes the row first, so a card seen here already has its row.
        before = schedule.parked()
        wanted = self._parked_by_rows(check_type)
        schedule.unpark(before - wanted)
        schedule.park(sorted(wanted - before))

    def _parked_by_rows(self, check_type: CheckType, cards: Collection[int] | None = None) -> set[int]:
        intervals = self.intervals(check_type)
        return {card_id for card_id, group in card_reader.parked(check_type, cards) if intervals[group]}
