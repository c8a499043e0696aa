"""Start and cancel manual triggers.

A trigger is first stored in PostgreSQL. Then the ids of its cards are pushed to the manual queue in Redis.
These ids are hints: they make the workers check the cards.
"""

from datetime import datetime
from typing import Final

import structlog
from django.db import connection, transaction

from accounts.models import User
from accounts.scoping import sees_everything
from audit.models import Action
from audit.recording import record
from audit.snapshots import snapshot
from cards.models import CheckType
from common.arrays import array
from common.errors import DomainError
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.models import ManualItem, ManualTrigger
from polling.schedule.manual_queue import ManualQueue
from polling.triggers import allowance
from polling.triggers.choosing import CardSelection, choose

MAX_LOGGED_CARDS: Final = 20

log = structlog.get_logger(__name__)


def trigger(user: User, check_type: CheckType, selection: CardSelection, *, now: datetime) -> ManualTrigger:
    """Store a trigger with its items, and push its hints to Redis after the transaction commits.

    If a card already waits for the check, one check serves both triggers. If a card is being checked now, it
    is checked again. Raise DomainError if a limit is reached, or if a single card is unknown or cannot
    get the check.
    """
    with transaction.atomic():
        allowance.take_call(user, now=now)
        chosen = choose(user, check_type, selection)
        if selection.kind is not ManualTrigger.Kind.SINGLE:
            allowance.require_room(user, check_type, len(chosen.cards))
        row = ManualTrigger.objects.create(
            requester=user,
            agent=None if sees_everything(user) else user.agent,
            task_type=check_type,
            kind=selection.kind,
            condition=selection.condition.given(),
            created_at=now,
            accepted=len(chosen.cards),
            skipped=chosen.skipped,
            status=ManualTrigger.Status.QUEUED if chosen.cards else ManualTrigger.Status.FINISHED,
            ended_at=None if chosen.cards else now,
        )
        _queue(row, chosen.cards)
        record(user, Action.TRIGGERED, row, after=snapshot(row))
        is_single = selection.kind is ManualTrigger.Kind.SINGLE
        transaction.on_commit(lambda: _hint(check_type, chosen.cards, is_single=is_single))
    log.info(
        "cards_triggered",
        trigger_id=row.pk,
        check=check_type.value,
        cards=row.accepted,
        skipped=row.skipped,
        card_ids=chosen.cards[:MAX_LOGGED_CARDS],
    )
    return row


def cancel(user: User, row: ManualTrigger, *, now: datetime) -> int:
    """Cancel the trigger: cancel all its items that have not ended, and return their number.

    A check that is already running continues, but the trigger does not report its result. Raise DomainError
    if the trigger has already ended.
    """
    with transaction.atomic():
        # Lock the trigger before its items, as `items.end` does, so that the two functions cannot deadlock.
        won = ManualTrigger.objects.filter(pk=row.pk, ended_at=None).update(
            status=ManualTrigger.Status.CANCELLED, ended_at=now
        )
        if not won:
            raise DomainError("This trigger has already ended.", code="manual_trigger_ended", status=409)
        cancelled = ManualItem.objects.filter(trigger=row, status=ManualItem.Status.QUEUED).update(
            status=ManualItem.Status.CANCELLED
        )
        record(user, Action.CANCELLED, row, after={"cancelled": cancelled})
    return cancelled


def _queue(row: ManualTrigger, cards: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO polling_manualitem (trigger_id, card_id, task_type, status, result)
            SELECT %s, card_id, %s, 'queued', '' FROM unnest(%s::bigint[]) AS card_id ORDER BY card_id
            """,
            [row.pk, row.task_type, array(cards)],
        )


def _hint(check_type: CheckType, cards: list[int], *, is_single: bool) -> None:
    # Also push cards that already wait, because their check may have started before this trigger.
    # If Redis does not answer, `restoring` pushes the hints later.
    with degraded_without_redis(
        "triggered cards wait until Redis is back", check=check_type, cards=len(cards)
    ):
        ManualQueue(for_web(), check_type).push(cards, in_front=is_single)
