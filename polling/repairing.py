"""The hourly repair: checks that are missing in the schedule are added, and strangers removed.

In quiet times it finds nothing. What it finds was lost in an outage, or changed past `cards.lifecycle`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import structlog
from django.utils import timezone
from redis import Redis

from cards.models import CheckType
from common.redis.ownership import Owner, OwnershipLostError, owned
from polling import census, fleet, walking
from polling.checks.registry import CHECKS
from polling.matching import fingerprint
from polling.models import ClassCensus, PollingConfig
from polling.planning import Plan, Planner
from polling.seeding import OWNERSHIP_SECONDS
from polling.store import keys
from polling.store.epoch import Epoch
from polling.store.schedule import PlanMode, Schedule

log = structlog.get_logger(__name__)


@dataclass
class Repaired:
    """What was wrong with one check type's schedule, in cards."""

    missing: int = 0
    strangers: int = 0


@dataclass(frozen=True)
class Repair:
    """Holds every row against the schedule, and every entry of the schedule against its row."""

    redis: Redis
    chance: Random

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
        planner = walking.planner(self.redis, self.chance)
        # A new epoch from time to time: the lower half of a token counts the claims of one, and has 32 bits.
        if not Epoch(self.redis).renew(walking.next_epoch()):
            return None
        repaired = {check_type: Repaired() for check_type in CHECKS}
        if not (
            self._add_missing(planner, repaired, owner) and self._remove_strangers(planner, repaired, owner)
        ):
            log.info("repair_given_up", why="the configs have changed")
            return None
        census.refresh(planner.configs)
        census.publish(self.redis)
        self._tell(repaired)
        return repaired

    def _add_missing(self, planner: Planner, repaired: Mapping[CheckType, Repaired], owner: Owner) -> bool:
        """Returns False when the configs have changed."""
        for check_type in CHECKS:
            planner.restore_parked(check_type)
        for step in walking.steps(planner, CHECKS, mode=PlanMode.NEW_ONLY):
            owner.renew()
            for check_type, added in step.added.items():
                repaired[check_type].missing += added
            if _have_changed(planner.configs):
                return False
        return True

    def _remove_strangers(
        self, planner: Planner, repaired: Mapping[CheckType, Repaired], owner: Owner
    ) -> bool:
        """Returns False when the configs have changed."""
        for check_type, found in repaired.items():
            for cards in Schedule(self.redis, check_type).pages():
                owner.renew()
                found.strangers += _remove_strangers_among(cards, planner, check_type)
                if _have_changed(planner.configs):
                    # What we took for strangers may be wanted now, and have been planned before we removed it.
                    census.outdate(ClassCensus.objects.all(), check_type)
                    return False
        return True

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
    rows = fleet.rows_of(cards)
    wanted = {card_id for card_id, card in rows if intervals[card]}
    strangers = [card_id for card_id in cards if card_id not in wanted]
    planner.carry_out(Plan(check_type, unwanted=strangers), mode=PlanMode.MOVE)
    planner.look_again([check_type], strangers, [row for row in rows if row[0] not in wanted])
    return len(strangers)


def _have_changed(configs: Sequence[PollingConfig]) -> bool:
    return fingerprint(PollingConfig.objects.in_force()) != fingerprint(configs)
