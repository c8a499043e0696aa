"""Hints that Redis has lost: the rows of triggers say what still waits."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from redis import Redis

from polling.checks.registry import CHECKS
from polling.models import ManualItem, ManualTrigger
from polling.schedule.manual_queue import ManualQueue

# Who has just been asked for may not have been hinted at yet.
SETTLED_AFTER = timedelta(seconds=10)

log = structlog.get_logger(__name__)


def watch(*, now: datetime, send: Callable[[], object]) -> None:
    """Send for it when something has waited for a while: a look at an index that is mostly empty."""
    waiting = ManualItem.objects.filter(status=ManualItem.Status.QUEUED)
    if waiting.filter(trigger__ended_at=None, trigger__created_at__lt=now - SETTLED_AFTER).exists():
        send()


def restore(redis: Redis, *, before: datetime) -> int:
    """Hint again at what was asked for until then and has no hint; returns how many cards."""
    restored = 0
    for check_type in CHECKS:
        rows = ManualItem.objects.queued(check_type).filter(trigger__created_at__lt=before)
        queue = ManualQueue(redis, check_type)
        lost = queue.unknown(list(rows.values_list("card_id", flat=True)))
        single = set(rows.filter(trigger__kind=ManualTrigger.Kind.SINGLE).values_list("card_id", flat=True))
        queue.push([card for card in lost if card not in single], in_front=False)
        queue.push([card for card in lost if card in single], in_front=True)
        restored += len(lost)
    if restored:
        log.info("triggers_hinted_again", cards=restored)
    return restored
