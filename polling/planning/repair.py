"""The hourly repair: schedule missing cards, and remove cards that do not belong in the schedule.

Normally, the repair finds no errors. An error comes from an outage, or from a change that bypassed
`cards.lifecycle`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import PlanMode, Schedule

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Repaired:
    """The errors that a repair found in the schedule of one check.

    `missing` counts cards that want the check but were not scheduled. `strangers` counts cards that were
    scheduled but do not want the check.
    """

    missing: int
    strangers: int


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
        epoch = scan.next_epoch()
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
        strangers = (
            None
            if missing is None
            else self._remove_strangers(planner, lambda: is_ours() and not planner.has_stale_configs())
        )
        if missing is None or strangers is None:
            log.info("repair_given_up", why="the rules have changed, or the schedule was dropped")
            return None
        census.refresh(planner.rules)
        census.publish(self.redis)
        repaired = {check_type: Repaired(missing[check_type], strangers[check_type]) for check_type in CHECKS}
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

    def _remove_strangers(
        self, planner: Planner, may_continue: Callable[[], bool]
    ) -> Counter[CheckType] | None:
        """Remove scheduled cards that do not want the check; return their number by check type.

        Return None if the repair was given up.
        """
        strangers = Counter[CheckType]()
        for check_type in CHECKS:
            for cards in Schedule(self.redis, check_type).pages():
                strangers[check_type] += _remove_strangers_among(cards, planner, check_type)
                if not may_continue():
                    # Another process may have planned cards by the new configs before this repair removed
                    # them, so plan everything again.
                    census.mark_all_outdated(ClassCensus.objects.all())
                    return None
        return strangers

    def _report(self, repaired: Mapping[CheckType, Repaired]) -> None:
        for check_type, found in repaired.items():
            log.info(
                "schedule_repaired", check=check_type.value, missing=found.missing, strangers=found.strangers
            )
            pipeline = self.redis.pipeline()
            pipeline.hincrby(keys.REPAIRED, f"{check_type.value}:missing", found.missing)
            pipeline.hincrby(keys.REPAIRED, f"{check_type.value}:strangers", found.strangers)
            pipeline.hset(keys.REPAIRED, "at", timezone.now().isoformat())
            pipeline.execute()


def _remove_strangers_among(cards: list[int], planner: Planner, check_type: CheckType) -> int:
    intervals = planner.intervals(check_type)
    rows = card_reader.rows_of(cards)
    wanted = {card_id for card_id, group in rows if intervals[group]}
    strangers = [card_id for card_id in cards if card_id not in wanted]
    planner.carry_out(Plan(check_type, unwanted=strangers), mode=PlanMode.MOVE)
    planner.move_changed([check_type], strangers, [row for row in rows if row[0] not in wanted])
    return len(strangers)
