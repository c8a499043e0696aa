"""Keep cards that break things apart: those that crash their workers, and those whose rows make no sense."""

from collections.abc import Sequence
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet
from redis import Redis

from audit.models import Action
from audit.recording import record
from cards import check_states
from cards.check_states import CheckResult
from cards.models import Card, CheckState, CheckType
from common import database
from common.logs import name_of, seldom
from polling.checks.registry import CHECKS
from polling.models import ParkedCheck
from polling.schedule.epoch import newest_token
from polling.schedule.schedule import Claim, Lost, Schedule

MAX_WHERE_LENGTH = 200
MAX_ERROR_LENGTH = 200
MAX_LOGGED_CARDS = 20

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


def store_unreadable(check_type: CheckType, cards: Sequence[tuple[Claim, Exception]]) -> None:
    """Store that the check of these cards failed, because their rows do not make sense, and log the first error."""
    error = cards[0][1]
    log.error(
        "card_unreadable",
        check=check_type.value,
        cards=len(cards),
        card_ids=[claim.card_id for claim, _ in cards[:MAX_LOGGED_CARDS]],
        reason=name_of(error),
        exc_info=seldom(error),
    )
    results = [
        CheckResult(
            claim.card_id, claim.token, f"its data cannot be read ({name_of(error)})"[:MAX_ERROR_LENGTH]
        )
        for claim, error in cards
    ]
    with transaction.atomic():
        tokens = {result.card_id: result.token for result in results}
        newer = check_states.lock_newer(check_type, tokens, newest_token=newest_token)
        check_states.write(
            check_type, [result for result in results if result.card_id in newer], now=database.now()
        )


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
