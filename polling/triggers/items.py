"""What becomes of the cards of triggers: each item ends once, and its trigger with the last of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from cards.models import CheckType
from carriers.clients.base import CardError
from common.arrays import array
from polling.checks.base import Outcome, PolledCard, Recorded, Result
from polling.models import ManualItem

RESULT_LENGTH = 200

# Triggers are locked first, in one order: drains end items of the same ones, and somebody may cancel one.
_LOCK = """
    SELECT id FROM polling_manualtrigger
    WHERE id IN (SELECT trigger_id FROM polling_manualitem WHERE id = ANY(%s::bigint[]))
    ORDER BY id FOR NO KEY UPDATE
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
class Ended:
    """An item has come to its end; `why` it failed, empty when it did not."""

    item_id: int
    why: str = ""


def end(items: Sequence[Ended]) -> None:
    """Store what became of them. Those that have ended already, or were cancelled, stay as they are."""
    if not items:
        return
    ids = array([item.item_id for item in items])
    statuses = [
        ManualItem.Status.FAILED.value if item.why else ManualItem.Status.DONE.value for item in items
    ]
    reasons = [item.why[:RESULT_LENGTH] for item in items]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [ids])
        cursor.execute(_END, [ids, statuses, reasons])


def failed(cards: Iterable[PolledCard], why: str) -> list[Ended]:
    """The items of these cards, which are not checked."""
    return [Ended(item_id, why) for card in cards for item_id in card.item_ids]


def checked(results: Sequence[Result], outcomes: Iterable[Outcome]) -> list[Ended]:
    """The items of cards with a result; where a newer claim was faster, they wait for that one."""
    errors = {
        result.card.claim: result.answer.code.words
        for result in results
        if isinstance(result.answer, CardError)
    }
    return [
        Ended(item_id, errors.get(outcome.card.claim, ""))
        for outcome in outcomes
        if outcome.recorded is not Recorded.REFUSED
        for item_id in outcome.card.item_ids
    ]


def in_vain(check_type: CheckType, reasons: Mapping[int, str]) -> list[Ended]:
    """The items that wait for a check of cards that will not be checked: card -> why."""
    rows = ManualItem.objects.queued(check_type).filter(card_id__in=list(reasons))
    return [Ended(item_id, reasons[card_id]) for item_id, card_id in rows.values_list("id", "card_id")]
