"""Begin triggers, and end their items. Each item ends only once, and a trigger ends with its last item."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from cards.models import CheckType
from carriers.clients.base import CardError
from common.arrays import array
from polling.checks.base import Outcome, Recorded, Result
from polling.models import ManualItem

MAX_RESULT_LENGTH = 200

# Lock the rows of triggers in ascending order of their ids, and before their items. Otherwise other drains, or
# a user who cancels a trigger, could cause a deadlock.
_LOCK = """
    SELECT id FROM polling_manualtrigger
    WHERE id IN (SELECT trigger_id FROM polling_manualitem WHERE id = ANY(%s::bigint[]))
    ORDER BY id FOR NO KEY UPDATE
"""
# A row that another session has locked is being begun, ended or cancelled there.
_BEGIN = """
    UPDATE polling_manualtrigger SET started_at = clock_timestamp(), status = 'running'
    WHERE id IN (
        SELECT id FROM polling_manualtrigger
        WHERE id IN (SELECT trigger_id FROM polling_manualitem WHERE id = ANY(%s::bigint[]))
            AND started_at IS NULL AND ended_at IS NULL
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""
_END = """
    WITH given AS (
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (id, status, result)
    ), ended AS (
        UPDATE polling_manualitem AS item SET status = given.status, result = given.result
        FROM given WHERE item.id = given.id AND item.status = 'queued'
        RETURNING item.trigger_id, item.status
    ), counted AS (
        SELECT trigger_id, count(*) FILTER (WHERE status = 'done') AS done,
            count(*) FILTER (WHERE status = 'failed') AS failed
        FROM ended GROUP BY trigger_id
    )
    UPDATE polling_manualtrigger AS trigger
    SET done = trigger.done + counted.done, failed = trigger.failed + counted.failed,
        started_at = coalesce(started_at, clock_timestamp()),
        status = CASE WHEN trigger.done + counted.done + trigger.failed + counted.failed >= accepted
            THEN 'finished' ELSE 'running' END,
        ended_at = CASE WHEN trigger.done + counted.done + trigger.failed + counted.failed >= accepted
            THEN clock_timestamp() END
    FROM counted WHERE trigger.id = counted.trigger_id AND trigger.ended_at IS NULL
"""


@dataclass(frozen=True)
class ItemEnd:
    """How one item ends. `failure` says why the check failed, and is empty if the check succeeded."""

    item_id: int
    failure: str = ""


def begin(item_ids: Collection[int]) -> None:
    """Store that the triggers of these items have started, because the cards are about to be checked."""
    if item_ids:
        with connection.cursor() as cursor:
            cursor.execute(_BEGIN, [array(item_ids)])


def end(items: Sequence[ItemEnd]) -> None:
    """Store how these items ended. Items that have already ended or were cancelled stay unchanged."""
    if not items:
        return
    ids = array([item.item_id for item in items])
    statuses = [
        ManualItem.Status.FAILED.value if item.failure else ManualItem.Status.DONE.value for item in items
    ]
    failures = [item.failure[:MAX_RESULT_LENGTH] for item in items]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [ids])
        cursor.execute(_END, [ids, statuses, failures])


def checked(results: Sequence[Result], outcomes: Iterable[Outcome]) -> list[ItemEnd]:
    """Return an ItemEnd for each item of the checked cards.

    Leave out cards whose result was refused: the newer claim, whose result is stored, ends their items.
    """
    errors = {
        result.card.claim: result.answer.code.words
        for result in results
        if isinstance(result.answer, CardError)
    }
    return [
        ItemEnd(item_id, errors.get(outcome.card.claim, ""))
        for outcome in outcomes
        if outcome.recorded is not Recorded.REFUSED
        for item_id in outcome.card.item_ids
    ]


def unwanted(check_type: CheckType, reasons: Mapping[int, str]) -> list[ItemEnd]:
    """Return an ItemEnd for each waiting item of cards that will not be checked.

    `reasons` maps the ids of these cards to the reasons, which are stored in the items.
    """
    rows = ManualItem.objects.queued(check_type).filter(card_id__in=list(reasons))
    return [ItemEnd(item_id, reasons[card_id]) for item_id, card_id in rows.values_list("id", "card_id")]
