"""Schedule cards. The due time of a card depends on its last good answer and on the rules in force."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from redis import Redis

from cards.models import CheckType
from polling.models import PollingConfig
from polling.planning.ramps import Ramps
from polling.policy import card_reader
from polling.policy.card_reader import Group, Row
from polling.policy.matching import fingerprint
from polling.policy.rules import Rules
from polling.schedule.backoff import spread_overdue, when_planned
from polling.schedule.schedule import PlanMode, Schedule


class Intervals(dict[Group, float | None]):
    """Maps a group to the interval of one check in seconds, or to None if the group does not get the check.

    An interval is computed when it is first needed, and then kept, because many cards share each group.
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
    """When cards should be due for one check.

    `due` contains pairs of (card id, delay in seconds). `unwanted` contains the ids of cards that should not
    get the check.
    """

    check_type: CheckType
    due: list[tuple[int, float]] = field(default_factory=list)
    unwanted: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Planner:
    """Schedules cards according to `rules`.

    Cards that are overdue or were never checked do not all fall due at once. They are spread evenly over a ramp:
    `ramps` says how long it is if all cards of a gateway are overdue; `ramp` is the longest, for gateways that
    are not in `ramps`. If only some cards are overdue, the ramp is shorter in proportion. So if Redis is emptied
    during a ramp, the next scan continues that ramp instead of starting a full one.

    Example::

        planner = Planner(redis, Rules.in_force(redis), ramp=timedelta(seconds=60))
        plan = planner.draw_up(CheckType.DATA_USAGE, card_reader.rows_of(card_ids))
        planner.carry_out(plan, mode=PlanMode.NEW_ONLY)
    """

    redis: Redis
    rules: Rules
    ramp: timedelta
    ramps: Ramps = field(default_factory=dict)
    decided: dict[CheckType, Intervals] = field(default_factory=dict)

    def has_stale_configs(self) -> bool:
        """Return whether the configs have changed since `rules` were read."""
        return fingerprint(PollingConfig.objects.in_force()) != fingerprint(self.rules.configs)

    def intervals(self, check_type: CheckType) -> Intervals:
        """Return the intervals of a check by group. Calls for the same check return the same object."""
        if check_type not in self.decided:
            self.decided[check_type] = Intervals(check_type, self.rules)
        return self.decided[check_type]

    def draw_up(self, check_type: CheckType, rows: Sequence[Row]) -> Plan:
        """Return a plan for these cards. This reads their last checks from PostgreSQL and changes nothing."""
        plan, intervals = Plan(check_type), self.intervals(check_type)
        ages, tokens = card_reader.last_checks(check_type, [card_id for card_id, _ in rows])
        overdue: dict[int | None, list[int]] = defaultdict(list)
        for card_id, group in rows:
            interval = intervals[group]
            if interval is None:
                plan.unwanted.append(card_id)
            elif (delay := when_planned(card_id, ages.get(card_id), interval)) is None:
                overdue[self.rules.gateway_of(group, check_type)].append(card_id)
            else:
                plan.due.append((card_id, delay))
        if overdue:
            cards = self._cards_by_gateway(check_type, rows)
            for gateway_id, late in overdue.items():
                ramp = self._ramp(check_type, gateway_id) * len(late) / cards[gateway_id]
                plan.due.extend(spread_overdue(late, tokens, ramp=ramp))
        return plan

    def _ramp(self, check_type: CheckType, gateway_id: int | None) -> float:
        longest = self.ramp.total_seconds()
        return min(longest, self.ramps.get((check_type, gateway_id), longest))

    def _cards_by_gateway(self, check_type: CheckType, rows: Sequence[Row]) -> Counter[int | None]:
        """Count the cards among `rows` that want the check."""
        # Count objects instead of their values: rows share their groups, and hashing a million is slow.
        numbers = Counter(id(group) for _, group in rows)
        groups = {id(group): group for _, group in rows}
        cards, intervals = Counter[int | None](), self.intervals(check_type)
        for key, group in groups.items():
            if intervals[group] is not None:
                cards[self.rules.gateway_of(group, check_type)] += numbers[key]
        return cards

    def carry_out(self, plan: Plan, *, mode: PlanMode) -> int:
        """Schedule the cards in `plan.due`; return how many of them were not scheduled before.

        With `PlanMode.MOVE`, also remove the cards in `plan.unwanted` from the schedule. The caller must then
        call `move_changed`, because cards may have changed since they were read.
        """
        schedule = Schedule(self.redis, plan.check_type)
        if mode is PlanMode.MOVE:
            schedule.forget(plan.unwanted)
        return schedule.plan(plan.due, mode=mode)

    def move(self, check_types: Collection[CheckType], cards: Collection[int]) -> None:
        """Reschedule `cards` according to their current rows, and remove deleted cards from the schedule."""
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
        """Reschedule the cards among `cards` that have changed since `rows` were read.

        This repairs a race: a process that changes a card reschedules it at once, but this planner may then
        overwrite the new due time with one computed from the old row.
        """
        before, now = dict(rows), dict(card_reader.rows_of(cards))
        changed = [card_id for card_id in cards if now.get(card_id) != before.get(card_id)]
        if changed:
            self.move(check_types, changed)

    def park(self, check_type: CheckType, cards: Collection[int] | None = None) -> None:
        """Copy parked cards from PostgreSQL to Redis, so that they cannot be planned.

        If `cards` is None, copy all parked cards, otherwise only those among `cards`.
        """
        Schedule(self.redis, check_type).park(sorted(self._parked_by_rows(check_type, cards)))

    def restore_parked(self, check_type: CheckType) -> None:
        """Make the parked cards in Redis match those in PostgreSQL.

        Cards that are unparked here are not scheduled yet, so a scan must follow.
        """
        schedule = Schedule(self.redis, check_type)
        # Read Redis before PostgreSQL. Parking writes to PostgreSQL first, so every card that is parked in
        # Redis now is also found in PostgreSQL afterwards.
        before = schedule.parked()
        wanted = self._parked_by_rows(check_type)
        schedule.unpark(before - wanted)
        schedule.park(sorted(wanted - before))

    def _parked_by_rows(self, check_type: CheckType, cards: Collection[int] | None = None) -> set[int]:
        intervals = self.intervals(check_type)
        return {card_id for card_id, group in card_reader.parked(check_type, cards) if intervals[group]}
