"""Takes the results of checks into `CheckState`: a batch at a time, newer claims only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from cards.models import CheckType


@dataclass(frozen=True)
class CheckResult:
    """What one claim found. An empty `error` is a good answer."""

    card_id: int
    token: int
    error: str = ""


def lock_newer(check_type: CheckType, tokens: dict[int, int]) -> set[int]:
    """Lock the rows of the cards in `tokens` (card id -> claim) and return the ids that may be written.

    A row that a newer claim has written is not among them; a missing row is made. Needs a transaction.
    """
    found = _lock(check_type, tokens)
    missing = tokens.keys() - found.keys()
    if missing:
        _insert(check_type, sorted(missing))
        found |= _lock(check_type, missing)
    return {card_id for card_id, token in found.items() if token < tokens[card_id]}


def write(check_type: CheckType, results: Sequence[CheckResult], *, now: datetime) -> None:
    """Write the results of cards that `lock_newer` returned, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_checkstate AS state SET
                token = result.token,
                error = result.error,
                checked_at = CASE WHEN result.error = '' THEN %(now)s ELSE state.checked_at END,
                failures = CASE WHEN result.error = '' THEN 0 ELSE state.failures + 1 END,
                failing_since = CASE WHEN result.error = '' THEN NULL
                                     ELSE coalesce(state.failing_since, %(now)s) END
            FROM unnest(%(cards)s::bigint[], %(tokens)s::bigint[], %(errors)s::text[])
                AS result(card_id, token, error)
            WHERE state.card_id = result.card_id AND state.type = %(type)s
            """,
            {
                "now": now,
                "cards": [result.card_id for result in results],
                "tokens": [result.token for result in results],
                "errors": [result.error for result in results],
                "type": check_type.value,
            },
        )


def _lock(check_type: CheckType, cards: Collection[int]) -> dict[int, int]:
    # In the order of cards: two batches that share cards must not wait for each other.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT card_id, token FROM cards_checkstate
            WHERE card_id = ANY(%s) AND type = %s
            ORDER BY card_id FOR NO KEY UPDATE
            """,
            [list(cards), check_type.value],
        )
        return dict(cursor.fetchall())


def _insert(check_type: CheckType, cards: Sequence[int]) -> None:
    # Of cards that still exist: one may have been deleted while it was asked about.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cards_checkstate (card_id, type, token, failures, error, parked_where)
            SELECT id, %s, 0, 0, '', '' FROM cards_card WHERE id = ANY(%s) ORDER BY id
            ON CONFLICT (card_id, type) DO NOTHING
            """,
            [check_type.value, list(cards)],
        )
