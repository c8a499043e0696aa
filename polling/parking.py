"""Parks cards that crash their workers again and again, and releases them."""

from collections.abc import Collection, Sequence

import structlog

from cards.models import Card, CheckState, CheckType
from common import database
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


def release(check_type: CheckType, schedule: Schedule, cards: Collection[int]) -> int:
    """Put parked cards back into the schedule, due at once; returns how many were parked."""
    released = CheckState.objects.filter(type=check_type, card_id__in=cards, parked_at__isnull=False).update(
        parked_at=None, parked_where=""
    )
    schedule.release([(card_id, 0.0) for card_id in cards])
    return released
