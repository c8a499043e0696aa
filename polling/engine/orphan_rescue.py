"""Rescue the cards of killed workers: end their claims early, so that other workers can claim the cards."""

from collections import defaultdict

import structlog
from redis import Redis

from cards.models import CheckType
from common.redis.semaphore import Occupancy
from polling.schedule.schedule import Schedule

log = structlog.get_logger(__name__)


class OrphanRescue:
    """Ends the claims of killed workers early, once for each worker.

    If no drain notices that a worker has died, its claims last for their full time.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[CheckType, set[str]] = defaultdict(set)

    def run(self, check_type: CheckType, occupancy: Occupancy) -> None:
        """Find killed workers that still hold slots of the check type, and end their claims early. Blocks."""
        dead = occupancy.dead_holders - self._known[check_type]
        if not dead:
            return
        self._known[check_type] |= dead
        if cards := Schedule(self._redis, check_type).expire_claims(dead):
            log.warning(
                "worker_died",
                check=check_type.value,
                holders=sorted(dead),
                cards=cards,
                what_to_do="nothing: its cards are checked again within seconds; if it goes on, find out why it dies",
            )
