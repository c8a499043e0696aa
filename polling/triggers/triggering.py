"""Has cards checked at once, because somebody asked for it: rows first, then hints in Redis."""

from datetime import datetime

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
from common.redis.degraded import redis_may_be_away
from polling.models import ManualItem, ManualTrigger
from polling.schedule.manual_queue import ManualQueue
from polling.triggers import allowance
from polling.triggers.choosing import Wanted, choose


def trigger(user: User, check_type: CheckType, wanted: Wanted, *, now: datetime) -> ManualTrigger:
    """Store what is wanted, and hint at it when the transaction is committed. Raises DomainError.

    A card that waits already for the check is checked once for both; one that is being checked, once more.
    """
    with transaction.atomic():
        allowance.take_call(user, now=now)
        chosen = choose(user, check_type, wanted)
        if wanted.kind is not ManualTrigger.Kind.SINGLE:
            allowance.require_room(user, check_type, len(chosen.cards))
        row = ManualTrigger.objects.create(
            requester=user,
            agent=None if sees_everything(user) else user.agent,
            task_type=check_type,
            kind=wanted.kind,
            condition=wanted.condition.given(),
            created_at=now,
            accepted=len(chosen.cards),
            skipped=chosen.left_out,
            status=ManualTrigger.Status.QUEUED if chosen.cards else ManualTrigger.Status.FINISHED,
            ended_at=None if chosen.cards else now,
        )
        _queue(row, chosen.cards)
        record(user, Action.TRIGGERED, row, after=snapshot(row))
        is_single = wanted.kind is ManualTrigger.Kind.SINGLE
        transaction.on_commit(lambda: _hint(check_type, chosen.cards, is_single=is_single))
    return row


def cancel(user: User, row: ManualTrigger, *, now: datetime) -> int:
    """Have the cards that wait not checked; returns how many. Of those that are being checked the result is not told.

    Raises DomainError when it has ended.
    """
    with transaction.atomic():
        # The trigger before its items, as whoever ends items does.
        won = ManualTrigger.objects.filter(pk=row.pk, ended_at=None).update(
            status=ManualTrigger.Status.CANCELLED, ended_at=now
        )
        if not won:
            raise DomainError("This trigger has ended.", code="manual_trigger_ended", status=409)
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
    """Also at those that wait already: some may be in flight. Without Redis the rows are hinted at when it is back."""
    with redis_may_be_away("triggered cards wait until it is back", check=check_type, cards=len(cards)):
        ManualQueue(for_web(), check_type).push(cards, in_front=is_single)
