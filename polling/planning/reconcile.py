"""Reschedule exactly the cards whose interval has changed because of a config, a pause or a gateway's state.

No events are needed. The census holds the intervals that the schedule was planned with. Comparing them with
the rules in force shows what is outdated, even after a crash or after a change made outside the admin.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from common.redis.locking import try_lock
from polling.checks.registry import CHECKS
from polling.models import ClassCensus
from polling.planning import scan
from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import PlanMode

LOCK_SECONDS = 30

log = structlog.get_logger(__name__)


def watch(redis: Redis, *, send: Callable[[], object]) -> None:
    """Call `send` if any census row is outdated. This is cheap, because it reads only small tables."""
    if _is_anything_outdated(redis):
        send()


@dataclass(frozen=True)
class Reconciler:
    """Reschedules the cards of outdated census rows until no row is outdated.

    `wait` is called before each pass. It must return only after every drain has read the new configs and
    pauses. Otherwise a drain could still settle a rescheduled card with its old interval.

    Example::

        Reconciler(redis, wait=lambda: time.sleep(2 * SNAPSHOT_SECONDS)).run()
    """

    redis: Redis
    wait: Callable[[], object] = lambda: None

    def run(self) -> int:
        """Reschedule outdated cards; return how many cards were examined.

        A card counts once for each check type and each pass. Return 0 if another process is reconciling or
        the schedule is incomplete.
        """
        with try_lock(self.redis, keys.RECONCILER, seconds=LOCK_SECONDS) as lock:
            examined = 0
            try:
                # Don't run while a scan builds the schedule, because a scan plans by the rules that it began
                # with. The next reconciliation reschedules the cards that become outdated during the scan.
                while lock and Epoch(self.redis).is_complete() and _is_anything_outdated(self.redis):
                    self.wait()
                    examined += self._plan(lock)
            except LockNotOwnedError:
                log.warning("replanning_taken_over")
            return examined

    def _plan(self, lock: Lock) -> int:
        planner = scan.planner(self.redis)
        outdated = census.outdated(planner.rules)
        examined = 0
        for check_type in CHECKS:
            field = f"{check_type.value}_interval"
            groups = {
                census.group_of(row) for row, intervals in outdated if getattr(row, field) != intervals[field]
            }
            if not groups:
                continue
            planner.park(check_type)
            for step in scan.steps(planner, [check_type], mode=PlanMode.MOVE, groups=groups):
                examined += step.cards
                lock.reacquire()
        for row, intervals in outdated:
            # If the row no longer has the intervals read above, it was marked as outdated during this pass,
            # so plan its cards again.
            found = {name: getattr(row, name) for name in intervals}
            if not ClassCensus.objects.filter(pk=row.pk, **found).update(**intervals):
                census.mark_all_outdated(ClassCensus.objects.filter(pk=row.pk))
        if not planner.rules.is_current(self.redis):
            # The rules have changed. Another process may have planned cards by the new rules, and this pass
            # may have overwritten their due times, so plan everything again.
            census.mark_all_outdated(ClassCensus.objects.all())
        census.publish(self.redis)
        log.info("schedule_replanned", classes=len(outdated), cards=examined)
        return examined


def _is_anything_outdated(redis: Redis) -> bool:
    return bool(census.outdated(Rules.in_force(redis)))
