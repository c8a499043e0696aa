"""Configs changed: exactly the cards that they concern are planned anew.

Nothing tells which config changed. The census knows the intervals that the schedule was planned with, so whoever
looks finds what is outdated, also after a crash, and also a change that was made past the admin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import structlog
from redis import Redis

from common.redis.ownership import Owner, OwnershipLostError, owned
from polling import census, walking
from polling.census import Intervals
from polling.checks.registry import CHECKS
from polling.models import ClassCensus, PollingConfig
from polling.planning import Planner
from polling.store import keys
from polling.store.epoch import Epoch
from polling.store.schedule import PlanMode

OWNERSHIP_SECONDS = 30

log = structlog.get_logger(__name__)


def watch(*, send: Callable[[], object]) -> None:
    """Send for a replanning when some class is outdated: a look at two small tables."""
    if census.outdated(tuple(PollingConfig.objects.in_force())):
        send()


@dataclass(frozen=True)
class Replanning:
    """Plans outdated classes of cards anew, until there are none."""

    redis: Redis
    chance: Random

    def run(self) -> int:
        """Returns how many places in the schedule were looked at; 0 when somebody else does it already."""
        with owned(self.redis, keys.REPLANNER, seconds=OWNERSHIP_SECONDS) as owner:
            # A walk in progress plans by the configs that it began with; what is outdated then is planned after it.
            if owner is None or not Epoch(self.redis).is_complete():
                return 0
            looked_at = 0
            try:
                planner = walking.planner(self.redis, self.chance)
                while outdated := census.outdated(planner.configs):
                    looked_at += self._plan(outdated, planner, owner)
                    planner = walking.planner(self.redis, self.chance)
            except OwnershipLostError:
                log.warning("replanning_taken_over")
            return looked_at

    def _plan(
        self,
        outdated: Sequence[tuple[ClassCensus, Intervals]],
        planner: Planner,
        owner: Owner,
    ) -> int:
        looked_at = 0
        for check_type in CHECKS:
            field = f"{check_type.value}_interval"
            groups = {
                census.group_of(row) for row, intervals in outdated if getattr(row, field) != intervals[field]
            }
            if not groups:
                continue
            planner.park(check_type)
            for step in walking.steps(planner, [check_type], mode=PlanMode.MOVE, groups=groups):
                looked_at += step.cards
                owner.renew()
        for row, intervals in outdated:
            # Only what we found: who made the class outdated again meanwhile has it planned again.
            found = {name: getattr(row, name) for name in intervals}
            ClassCensus.objects.filter(pk=row.pk, **found).update(**intervals)
        census.publish(self.redis)
        log.info("schedule_replanned", classes=len(outdated), cards=looked_at)
        return looked_at
