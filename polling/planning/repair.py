"""The hourly repair: checks that are missing in the schedule are added, and strangers removed.

In quiet times it finds nothing. What it finds was lost in an outage, or changed past `cards.lifecycle`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from django.utils import timezone
from redis import Redis

from cards.models import CheckType
from common.redis.ownership import Owner, OwnershipLostError, owned
from polling.checks.registry import CHECKS
from polling.models import ClassCensus
from polling.planning import scan
from polling.planning.planner import Plan, Planner
from polling.planning.seed import OWNERSHIP_SECONDS
from polling.policy import card_reader, census
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import PlanMode, Schedule

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Repaired:
    """What was wrong with one check type's schedule, in cards."""

    missing: int
    strangers: int


@dataclass(frozen=True)
class Repair:
    """Holds every row against the schedule, and every entry of the schedule against its row."""

    redis: Redis

    def run(self) -> Mapping[CheckType, Repaired] | None:
        """Returns what was repaired.

        None when somebody walks already, there is no whole schedule to repair, or the configs have changed
        meanwhile: planning by the new ones is more urgent, and the next repair comes within the hour.
        """
        with owned(self.redis, keys.SEEDER, seconds=OWNERSHIP_SECONDS) as owner:
            if owner is None or not Epoch(self.redis).is_complete():
                return None
            try:
                return self._repair(owner)
            except OwnershipLostError:
                log.warning("repair_taken_over")
                return None

    def _repair(self, owner: Owner) -> Mapping[CheckType, Repaired] | None:
        planner = scan.planner(self.redis)
        epoch = scan.next_epoch()
        # A new epoch from time to time: the lower half of a token counts the claims of one, and has 32 bits.
        if not Epoch(self.redis).renew(epoch):
            return None

        def is_ours() -> bool:
            owner.renew()
            return Epoch(self.redis).is_still(epoch)

        # What is missing is planned by all rules; who is a stranger, gateways have no say in.
        missing = self._add_missing(planner, lambda: is_ours() and planner.rules.hold(self.redis))
        strangers = (
            None
            if missing is None
            else self._remove_strangers(planner, lambda: is_ours() and not planner.is_behind())
        )
        if missing is None or strangers is None:
            log.info("repair_given_up", why="the rules have changed, or the schedule was dropped")
            return None
        census.refresh(planner.rules)
        census.publish(self.redis)
        repaired = {one: Repaired(missing[one], strangers[one]) for one in CHECKS}
        self._tell(repaired)
        return repaired

    def _add_missing(self, planner: Planner, may_go_on: Callable[[], bool]) -> Counter[CheckType] | None:
        """Cards that were missing; None: it was given up."""
        missing = Counter[CheckType]()
        for check_type in CHECKS:
            planner.restore_parked(check_type)
        for step in scan.steps(planner, CHECKS, mode=PlanMode.NEW_ONLY):
            missing.update(step.added)
            if not may_go_on():
                return None
        return missing

    def _remove_strangers(self, planner: Planner, may_go_on: Callable[[], bool]) -> Counter[CheckType] | None:
        """Cards that had no business there; None: it was given up."""
        strangers = Counter[CheckType]()
        for check_type in CHECKS:
            for cards in Schedule(self.redis, check_type).pages():
                strangers[check_type] += _remove_strangers_among(cards, planner, check_type)
                if not may_go_on():
                    # What we took for strangers may be wanted now, and have been planned before we removed it.
                    census.outdate_all(ClassCensus.objects.all())
                    return None
        return strangers

    def _tell(self, repaired: Mapping[CheckType, Repaired]) -> None:
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
    planner.look_again([check_type], strangers, [row for row in rows if row[0] not in wanted])
    return len(strangers)
