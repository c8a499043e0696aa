"""Parks cards that crash their workers again and again, and releases them."""

from collections.abc import Sequence
from typing import Any

import structlog
from django.db.models import QuerySet
from redis import Redis

from cards.models import Card, CheckState, CheckType
from common import database
from polling.checks.registry import CHECKS
from polling.store.schedule import Lost, Schedule

WHERE_LENGTH = 200

log = structlog.get_logger(__name__)


def park(check_type: CheckType, schedule: Schedule, lost: Sequence[Lost]) -> None:
    """Set cards aside: the row first, so that it survives Redis, then the schedule. Safe to repeat."""
    present = set(Card.objects.filter(id__in=[card.card_id for card in lost]).values_list("id", flat=True))
    now = database.now()
    CheckState.objects.bulk_create(
        [
            CheckState(
                card_id=card.card_id, type=check_type, parked_at=now, parked_where=card.holder[:WHERE_LENGTH]
            )
            for card in lost
            if card.card_id in present
        ],
        update_conflicts=True,
        unique_fields=["card", "type"],
        update_fields=["parked_at", "parked_where"],
    )
    for card in lost:
        log.error("card_parked", check=check_type.value, card_id=card.card_id, last_holder=card.holder)
    schedule.park([card.card_id for card in lost])


def release(redis: Redis, chosen: QuerySet[Any]) -> int:
    """Put the parked checks among `chosen` back into the schedule, due at once; returns how many there were.

    The schedule first: without Redis nothing happens, and it can be tried again. Without PostgreSQL the next
    walk parks them again.
    """
    released = 0
    for check_type in CHECKS:
        parked = chosen.filter(type=check_type, parked_at__isnull=False)
        cards = list(parked.values_list("card_id", flat=True))
        due = [(card_id, 0.0) for card_id in cards]
        Schedule(redis, check_type).release(due)
        released += CheckState.objects.filter(type=check_type, card_id__in=cards).update(
            parked_at=None, parked_where=""
        )
        # Again: until now, whoever planned one of them anew parked it by its row.
        Schedule(redis, check_type).release(due)
    return released
