"""Plans every card, and makes the schedule whole by it. Claims are allowed from its start."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from django.utils import timezone
from redis import Redis

from common.redis.ownership import Owner, OwnershipLostError, owned
from polling.checks.registry import CHECKS
from polling.planning import scan
from polling.policy import census
from polling.policy.card_reader import estimated_cards
from polling.schedule import keys, limits
from polling.schedule.epoch import Epoch
from polling.schedule.progress import SeedProgress, Walked
from polling.schedule.schedule import PlanMode
from polling.triggers import restoring

# A chunk takes well under a second; who is silent for this long is dead.
OWNERSHIP_SECONDS = 30

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Seeding:
    """One walk over all cards. `tell` hears how many have been planned, each time that more are.

    It goes on where a walk that died has stopped. When the configs change meanwhile, it starts over, and moves
    what it had planned by the old ones.
    """

    redis: Redis
    tell: Callable[[int], None] = lambda _: None

    def run(self, *, only_if_needed: bool = False) -> int | None:
        """Walk; returns the number of cards looked at, or None when there was nothing to do.

        There is nothing to do when somebody else walks already, or, with `only_if_needed`, when the schedule is
        whole. It is in vain when the schedule is dropped meanwhile: None as well.
        """
        with owned(self.redis, keys.SEEDER, seconds=OWNERSHIP_SECONDS) as owner:
            if owner is None or (only_if_needed and Epoch(self.redis).is_complete()):
                return None
            # Limits first: a schedule without them would have no slots.
            limits.publish(self.redis)
            number = self._begin_or_go_on()
            try:
                return self._seed(number, owner)
            except OwnershipLostError:
                log.warning("seeding_taken_over")
                return None
            except Exception as error:
                SeedProgress(self.redis).fail(type(error).__name__, epoch=number)
                raise

    def _begin_or_go_on(self) -> int:
        """The epoch of a walk that somebody has left unfinished, or of a new one."""
        progress, epoch = SeedProgress(self.redis), Epoch(self.redis)
        epoch.withdraw_if_stale()
        number = epoch.unfinished()
        if number is None or not progress.unfinished(number):
            number = scan.next_epoch()
            was_empty = not self.redis.exists(*(keys.queue(check_type) for check_type in CHECKS))
            progress.begin(epoch=number, total=estimated_cards(), was_empty=was_empty, now=timezone.now())
            epoch.begin(number)
        return number

    def _seed(self, number: int, owner: Owner) -> int | None:
        progress = SeedProgress(self.redis)
        while (done := self._walk(number, owner)) is None:
            log.info("seeding_starts_over", why="the configs have changed")
        if not Epoch(self.redis).complete(number):
            # Dropped meanwhile, by a command or a restart of Redis: what was planned before is gone.
            log.warning("seeding_in_vain", epoch=number)
            return None
        progress.finish(epoch=number, done=done, now=timezone.now())
        log.info("schedule_seeded", cards=done, epoch=number)
        return done

    def _walk(self, number: int, owner: Owner) -> int | None:
        """Walk on from where the progress says; None: the configs have changed meanwhile."""
        progress = SeedProgress(self.redis)
        planner = scan.planner(self.redis)
        rules = planner.rules.fingerprint
        walked = progress.unfinished(number) or Walked(rules)
        if walked.rules != rules:
            walked = Walked(rules, PlanMode.MOVE)
        # Written before anything is planned: who goes on must know by which rules that was.
        progress.report(walked, epoch=number)
        for check_type in CHECKS:
            planner.restore_parked(check_type)
        restoring.restore(self.redis, before=timezone.now())
        for step in scan.steps(planner, CHECKS, mode=walked.mode, after=walked.cursor):
            owner.renew()
            walked = replace(walked, cursor=step.last, done=walked.done + step.cards)
            progress.report(walked, epoch=number)
            self.tell(walked.done)
            if planner.is_behind():
                return None
        owner.renew()
        # NX has left what was scheduled where it was: if other configs put it there, it counts as outdated.
        is_all_ours = walked.mode is PlanMode.MOVE or progress.was_empty()
        (census.take if is_all_ours else census.refresh)(planner.rules)
        census.publish(self.redis)
        return walked.done


def drop(redis: Redis) -> None:
    """Throw the schedule away: whoever looks next makes a new one. What is being checked stays so."""
    # Whoever walks now walks in vain, and need not go on.
    redis.delete(keys.SEEDER)
    Epoch(redis).withdraw()
