"""Restore lost hints of manual triggers.

A hint is a card id in the manual queue in Redis. If Redis loses a hint, it can be pushed again, because the
items in PostgreSQL show which cards still wait.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from redis import Redis

from polling.checks.registry import CHECKS
from polling.models import ManualItem, ManualTrigger
from polling.schedule.manual_queue import ManualQueue

# A trigger younger than this is left alone, because it may not have pushed its hints yet.
HINT_GRACE = timedelta(seconds=10)

log = structlog.get_logger(__name__)


def watch(*, now: datetime, send: Callable[[], object]) -> None:
    """Call `send` if a trigger older than HINT_GRACE still has a waiting item. `send` should start `restore`.

    This is cheap enough to be called often, because few triggers are open, and they have their own index.
    """
    waiting = ManualItem.objects.filter(status=ManualItem.Status.QUEUED)
    if waiting.filter(trigger__ended_at=None, trigger__created_at__lt=now - HINT_GRACE).exists():
        send()


def restore(redis: Redis, *, before: datetime) -> int:
    """Push a hint for each waiting card that has no hint and was triggered before the time `before`.

    Return the number of these cards.
    """
    restored = 0
    for check_type in CHECKS:
        rows = ManualItem.objects.queued(check_type).filter(trigger__created_at__lt=before)
        queue = ManualQueue(redis, check_type)
        lost = queue.without_hint(list(rows.values_list("card_id", flat=True)))
        single = set(rows.filter(trigger__kind=ManualTrigger.Kind.SINGLE).values_list("card_id", flat=True))
        queue.push([card for card in lost if card not in single], in_front=False)
        queue.push([card for card in lost if card in single], in_front=True)
        restored += len(lost)
    if restored:
        log.info("triggers_hinted_again", cards=restored)
    return restored
