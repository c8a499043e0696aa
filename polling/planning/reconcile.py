"""Configs changed, or a gateway closed or opened: exactly the cards that this concerns are planned anew.

Nothing tells what changed. The census knows the intervals that the schedule was planned with, so whoever
looks finds what is outdated, also after a crash, and also a change that was made past the admin.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from redis import Redis

from common.redis.ownership import Owner, OwnershipLostError, owned
from polling.checks.registry import CHECKS
from polling.models import ClassCensus
from polling.planning import scan
from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import PlanMode

OWNERSHIP_SECONDS = 30

log = structlog.get_logger(__name__)


def watch(redis: Redis, *, send: Callable[[], object]) -> None:
    """Send for a replanning when some class is outdated: a look at two small tables."""
    if _is_anything_outdated(redis):
        send()


@dataclass(frozen=True)
class Replanning:
    """Plans outdated classes of cards anew, until there are none.

    It begins after `wait`: by then every drain has read the configs and pauses that it plans by. Else one might
    settle, by what it knew, a card that has been planned already.
    """

    redis: Redis
    wait: Callable[[], object] = lambda: None

    def run(self) -> int:
        """Returns how many places in the schedule were looked at; 0 when somebody else does it already."""
        with owned(self.redis, keys.REPLANNER, seconds=OWNERSHIP_SECONDS) as owner:
            looked_at = 0
            try:
                # A walk in progress plans by the configs that it began with; what is outdated then is planned after it.
                while owner and Epoch(self.redis).is_complete() and _is_anything_outdated(self.redis):
                    self.wait()
                    looked_at += self._plan(owner)
            except OwnershipLostError:
                log.warning("replanning_taken_over")
            return looked_at

    def _plan(self, owner: Owner) -> int:
        planner = scan.planner(self.redis)
        outdated = census.outdated(planner.rules)
        looked_at = 0
        for check_type in CHECKS:
            field = f"{check_type.value}_interval"
            groups = {
                census.group_of(row) for row, intervals in outdated if getattr(row, field) != intervals[field]
            }
            if not groups:
                continue
            planner.park(check_type)
            for step in scan.steps(planner, [check_type], mode=PlanMode.MOVE, groups=groups):
                looked_at += step.cards
                owner.renew()
        for row, intervals in outdated:
            # Only what we found: who made the class outdated again meanwhile has it planned again.
            found = {name: getattr(row, name) for name in intervals}
            if not ClassCensus.objects.filter(pk=row.pk, **found).update(**intervals):
                census.outdate_all(ClassCensus.objects.filter(pk=row.pk))
        if not planner.rules.hold(self.redis):
            # Cards that came meanwhile were planned by the new ones, and perhaps by us after that.
            census.outdate_all(ClassCensus.objects.all())
        census.publish(self.redis)
        log.info("schedule_replanned", classes=len(outdated), cards=looked_at)
        return looked_at


def _is_anything_outdated(redis: Redis) -> bool:
    return bool(census.outdated(Rules.in_force(redis)))
