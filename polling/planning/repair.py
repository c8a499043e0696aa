"""The hourly repair: schedule missing cards, move those due too late, and remove those that do not belong.

Normally, the repair finds no errors. An error comes from an outage, or from a change that bypassed
`cards.lifecycle`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import structlog
from django.utils import timezone
from redis import Redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from cards.models import CheckType
from common.redis.locking import try_lock
from polling.checks.registry import CHECKS
from polling.models import ClassCensus
from polling.planning import scan
from polling.planning.planner import Plan, Planner
from polling.planning.seed import LOCK_SECONDS
from polling.policy import card_reader, census
from polling.policy.card_reader import Row
from polling.policy.config_snapshot import ConfigSnapshot
from polling.schedule import keys
from polling.schedule.backoff import max_due_in
from polling.schedule.epoch import Epoch, next_epoch
from polling.schedule.schedule import PlanMode, Schedule

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Repaired:
    """The errors that a repair found in the schedule of one check.

    `missing` counts cards that want the check but were not scheduled. `strangers` counts cards that were
    scheduled but do not want the check. `late` counts cards that were due later than their interval allows.
    """

    missing: int
    strangers: int
    late: int


@dataclass(frozen=True)
class Repair:
    """Compares every card in PostgreSQL with the schedule, and every scheduled card with PostgreSQL."""

    redis: Redis

    def run(self) -> Mapping[CheckType, Repaired] | None:
        """Repair the schedule; return what was repaired, by check type.

        Return None if another process is scanning, if the schedule is incomplete, or if the rules change
        during the repair. In the last case, rescheduling by the new rules is more urgent, and the next
        repair follows within the hour.
        """
        with try_lock(self.redis, keys.SEEDER, seconds=LOCK_SECONDS) as lock:
            if lock is None or not Epoch(self.redis).is_complete():
                return None
            try:
                return self._repair(lock)
            except LockNotOwnedError:
                log.warning("repair_taken_over")
                return None

    def _repair(self, lock: Lock) -> Mapping[CheckType, Repaired] | None:
        planner = scan.planner(self.redis)
        epoch = next_epoch()
        # Every repair renews the epoch, because the lower 32 bits of a token count the claims of one epoch
        # and must not overflow.
        if not Epoch(self.redis).renew(epoch):
            return None

        def is_ours() -> bool:
            lock.reacquire()
            return Epoch(self.redis).is_current(epoch)

        # The due times of missing cards depend on all rules. Which cards are strangers depends only on the
        # configs, because cards stay in the schedule while their gateway is closed (see `Rules`).
        missing = self._add_missing(planner, lambda: is_ours() and planner.rules.is_current(self.redis))
        misplaced = (
            None
            if missing is None
            else self._correct(planner, lambda: is_ours() and not planner.has_stale_configs())
        )
        if missing is None or misplaced is None:
            log.info("repair_given_up", why="the rules have changed, or the schedule was dropped")
            return None
        census.refresh(planner.rules)
        census.publish(self.redis)
        strangers, late = misplaced
        repaired = {
            check_type: Repaired(missing[check_type], strangers[check_type], late[check_type])
            for check_type in CHECKS
        }
        self._report(repaired)
        return repaired

    def _add_missing(self, planner: Planner, may_continue: Callable[[], bool]) -> Counter[CheckType] | None:
        """Schedule missing cards; return their number by check type, or None if the repair was given up."""
        missing = Counter[CheckType]()
        for check_type in CHECKS:
            planner.restore_parked(check_type)
        for step in scan.steps(planner, CHECKS, mode=PlanMode.NEW_ONLY):
            missing.update(step.added)
            if not may_continue():
                return None
        return missing

    def _correct(
        self, planner: Planner, may_continue: Callable[[], bool]
    ) -> tuple[Counter[CheckType], Counter[CheckType]] | None:
        """Remove scheduled cards that do not want the check, and move those that are due too late.

        Return the number of both by check type, or None if the repair was given up.
        """
        strangers, late = Counter[CheckType](), Counter[CheckType]()
        for check_type in CHECKS:
            for cards in Schedule(self.redis, check_type).pages():
                rows = card_reader.rows_of(cards)
                strangers[check_type] += _remove_strangers(cards, rows, planner, check_type)
                late[check_type] += _hasten_late(cards, rows, planner, check_type)
                if not may_continue():
                    # Another process may have planned cards by the new configs before this repair removed
                    # them, so plan everything again.
                    census.mark_all_outdated(ClassCensus.objects.all())
                    return None
        return strangers, late

    def _report(self, repaired: Mapping[CheckType, Repaired]) -> None:
        for check_type, found in repaired.items():
            log.info("schedule_repaired", check=check_type.value, **asdict(found))
            pipeline = self.redis.pipeline()
            for fault, cards in asdict(found).items():
                pipeline.hincrby(keys.REPAIRED, f"{check_type.value}:{fault}", cards)
            pipeline.hset(keys.REPAIRED, "at", timezone.now().isoformat())
            pipeline.execute()


def _remove_strangers(
    cards: Collection[int], rows: Sequence[Row], planner: Planner, check_type: CheckType
) -> int:
    intervals = planner.intervals(check_type)
    wanted = {card_id for card_id, group in rows if intervals[group]}
    strangers = [card_id for card_id in cards if card_id not in wanted]
    planner.carry_out(Plan(check_type, unwanted=strangers), mode=PlanMode.MOVE)
    planner.move_changed([check_type], strangers, [row for row in rows if row[0] not in wanted])
    return len(strangers)


def _hasten_late(
    due_in: Mapping[int, float], rows: Sequence[Row], planner: Planner, check_type: CheckType
) -> int:
    """Make cards due sooner that are due later than their interval allows; return their number.

    Cards of a paused check are left alone, because they are due when their pause ends.
    """
    intervals, ramp = planner.intervals(check_type), planner.ramp.total_seconds()
    late = [
        (card_id, group)
        for card_id, group in rows
        if (interval := intervals[group]) and due_in[card_id] > max_due_in(interval, ramp=ramp)
    ]
    if not late:
        return 0
    snapshot = ConfigSnapshot.read()
    late = [row for row in late if snapshot.paused_for(check_type, row[1].profile.carrier_id) is None]
    return Schedule(planner.redis, check_type).hasten(planner.draw_up(check_type, late).due)
