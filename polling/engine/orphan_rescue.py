"""What processes leave that were killed: their neighbours see it, and let their claims run out soon."""

from collections import defaultdict

import structlog
from redis import Redis

from cards.models import CheckType
from common.redis.semaphore import Occupancy
from polling.schedule.schedule import Schedule

log = structlog.get_logger(__name__)


class OrphanRescue:
    """Whose claims one drain has seen to. Where nobody sees that a process is dead, its claims run out by themselves."""

    def __init__(self, redis: Redis) -> None:
        """Of nobody yet."""
        self._redis = redis
        self._known: dict[CheckType, set[str]] = defaultdict(set)

    def look(self, check_type: CheckType, occupancy: Occupancy) -> None:
        """See to the claims of those that have died with slots of the check type. Blocks: for a thread."""
        dead = occupancy.dead - self._known[check_type]
        if not dead:
            return
        self._known[check_type] |= dead
        if cards := Schedule(self._redis, check_type).end_claims(dead):
            log.warning(
                "worker_died",
                check=check_type.value,
                holders=sorted(dead),
                cards=cards,
                what_to_do="nothing: its cards are checked again within seconds; if it goes on, see why it dies",
            )
