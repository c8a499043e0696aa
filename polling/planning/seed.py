"""Seed the schedule: plan every card. Cards can be claimed as soon as seeding begins."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from django.utils import timezone
from redis import Redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from common import database
from common.redis.locking import try_lock
from polling.checks.registry import CHECKS
from polling.planning import scan
from polling.policy import census
from polling.policy.card_reader import estimated_cards
from polling.schedule import keys, limits
from polling.schedule.epoch import Epoch, next_epoch
from polling.schedule.progress import Checkpoint, SeedProgress
from polling.schedule.schedule import PlanMode
from polling.triggers import restoring

# The lock is renewed after each chunk. A chunk takes well under a second, so a seeder that has not renewed
# its lock for this long is dead.
LOCK_SECONDS = 30
# The log names the progress at each tenth.
LOGGED_PERCENT = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Seeder:
    """Scans and plans all cards.

    After each chunk, the seeder calls `on_progress` with the number of cards planned so far. If an earlier
    scan died, the seeder continues from the last checkpoint of that scan. If the configs change during the
    scan, the seeder starts over and moves the cards that were planned by the old configs.

    Example::

        done = Seeder(redis, on_progress=print).run(only_if_needed=True)
    """

    redis: Redis
    on_progress: Callable[[int], None] = lambda _: None

    def run(self, *, only_if_needed: bool = False) -> int | None:
        """Seed the schedule; return the number of cards scanned.

        Return None if another process is scanning, or if the schedule is dropped during the scan. With
        `only_if_needed`, also return None if the schedule is already complete.
        """
        with try_lock(self.redis, keys.SEEDER, seconds=LOCK_SECONDS) as lock:
            if lock is None or (only_if_needed and Epoch(self.redis).is_complete()):
                return None
            # Publish the concurrency limits first, because workers cannot take slots without them.
            limits.publish(self.redis)
            number = self._begin_or_resume()
            log.info("seeding_began", epoch=number, **SeedProgress(self.redis).counts())
            try:
                return self._seed(number, lock)
            except LockNotOwnedError:
                log.warning("seeding_taken_over")
                return None
            except Exception as error:
                SeedProgress(self.redis).fail(type(error).__name__, epoch=number)
                raise

    def _begin_or_resume(self) -> int:
        """Return the epoch of the unfinished scan. If there is none, begin a new epoch and return it."""
        progress, epoch = SeedProgress(self.redis), Epoch(self.redis)
        epoch.withdraw_if_stale()
        number = epoch.unfinished()
        if number is None or not progress.unfinished(number):
            number = next_epoch()
            was_empty = not self.redis.exists(*(keys.queue(check_type) for check_type in CHECKS))
            progress.begin(epoch=number, total=estimated_cards(), was_empty=was_empty, now=timezone.now())
            epoch.begin(number)
        return number

    def _seed(self, number: int, lock: Lock) -> int | None:
        progress = SeedProgress(self.redis)
        while (done := self._scan(number, lock)) is None:
            log.info("seeding_starts_over", why="the configs have changed")
        if not Epoch(self.redis).complete(number):
            # A command or a restart of Redis has dropped the schedule, including the cards that this scan had
            # planned.
            log.warning("seeding_in_vain", epoch=number)
            return None
        progress.finish(epoch=number, done=done, now=timezone.now())
        log.info("schedule_seeded", cards=done, epoch=number)
        return done

    def _scan(self, number: int, lock: Lock) -> int | None:
        """Scan from the last checkpoint; return the number of cards scanned.

        Return None if the configs have changed.
        """
        progress = SeedProgress(self.redis)
        planner = scan.planner(self.redis)
        rules = planner.rules.fingerprint
        checkpoint = progress.unfinished(number) or Checkpoint(rules)
        if checkpoint.rules != rules:
            checkpoint = Checkpoint(rules, PlanMode.MOVE)
        # Write the checkpoint before planning, because a process that continues the scan must know
        # which rules the cards were planned by.
        progress.report(checkpoint, epoch=number)
        for check_type in CHECKS:
            planner.restore_parked(check_type)
        restoring.restore(self.redis, before=database.now())
        for step in scan.steps(planner, CHECKS, mode=checkpoint.mode, after=checkpoint.cursor):
            lock.reacquire()
            before = progress.counts()
            checkpoint = replace(checkpoint, cursor=step.last, done=checkpoint.done + step.cards)
            progress.report(checkpoint, epoch=number)
            counts = progress.counts()
            if counts["percent"] // LOGGED_PERCENT > before["percent"] // LOGGED_PERCENT:
                log.info("seeding_continues", epoch=number, **counts)
            self.on_progress(checkpoint.done)
            if planner.has_stale_configs():
                return None
        lock.reacquire()
        # With NEW_ONLY, cards that were scheduled before the scan, perhaps by other rules, were not moved. If
        # there may be such cards, keep the census intervals, so that reconciliation finds the outdated ones.
        planned_everything = checkpoint.mode is PlanMode.MOVE or progress.was_empty()
        (census.take if planned_everything else census.refresh)(planner.rules)
        census.publish(self.redis)
        return checkpoint.done


def drop(redis: Redis) -> None:
    """Drop the schedule, so that the next tick builds a new one.

    Cards that are being checked stay claimed.
    """
    # Free the lock as well, because a running seeder can no longer complete the schedule, and must not hold
    # up the next seeder.
    redis.delete(keys.SEEDER)
    Epoch(redis).withdraw()
