"""Park cards that crash their workers again and again, and release parked cards."""

from collections.abc import Sequence
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet
from redis import Redis

from audit.models import Action
from audit.recording import record
from cards.models import Card, CheckState, CheckType
from common import database
from polling.checks.registry import CHECKS
from polling.models import ParkedCheck
from polling.schedule.schedule import Lost, Schedule

MAX_WHERE_LENGTH = 200

log = structlog.get_logger(__name__)


def park(check_type: CheckType, schedule: Schedule, lost: Sequence[Lost]) -> None:
    """Park cards: first in PostgreSQL, then in Redis. Safe to repeat.

    If Redis loses its data, the rows in PostgreSQL still say which cards are parked.
    """
    present = set(Card.objects.filter(id__in=[card.card_id for card in lost]).values_list("id", flat=True))
    now = database.now()
    CheckState.objects.bulk_create(
        [
            CheckState(
                card_id=card.card_id,
                type=check_type,
                parked_at=now,
                parked_where=card.holder[:MAX_WHERE_LENGTH],
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


def release(redis: Redis, chosen: QuerySet[Any], *, by: Any) -> int:
    """Put the parked checks among `chosen` back into the schedule, due at once; return their number.

    `by` is the user or the command that releases them. Redis changes before PostgreSQL. So if Redis
    is unavailable, nothing has changed and the release can be repeated. If PostgreSQL fails afterwards, the
    next scan parks the cards again.
    """
    released = sorted(chosen.filter(parked_at__isnull=False).values_list("card_id", "type"))
    _into_schedule(redis, released)
    with transaction.atomic():
        for check_type in CHECKS:
            cards = [card_id for card_id, of_type in released if of_type == check_type]
            rows = CheckState.objects.filter(type=check_type, card_id__in=cards)
            rows.update(parked_at=None, parked_where="")
        if released:
            record(by, Action.CHANGED, ParkedCheck, after={"released": released})
    # Release the cards in Redis once more, because planning may have parked them again before their rows
    # changed.
    _into_schedule(redis, released)
    return len(released)


def _into_schedule(redis: Redis, released: Sequence[tuple[int, str]]) -> None:
    for check_type in CHECKS:
        due = [(card_id, 0.0) for card_id, of_type in released if of_type == check_type]
        Schedule(redis, check_type).release(due)
