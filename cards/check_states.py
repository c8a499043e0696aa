"""Write the results of checks to `CheckState` in batches. Results of outdated claims are refused."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from cards.models import CheckType
from common.arrays import array


@dataclass(frozen=True)
class CheckResult:
    """The result of one claim. `token` is the claim's number. If `error` is empty, the check succeeded."""

    card_id: int
    token: int
    error: str = ""


def lock(check_type: CheckType, cards: Collection[int]) -> dict[int, int]:
    """Lock the check states of these cards, and return card id -> token. Needs a transaction.

    The rows are locked by ascending card id, so that two batches with the same cards cannot deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT card_id, token FROM cards_checkstate
            WHERE card_id = ANY(%s::bigint[]) AND type = %s
            ORDER BY card_id FOR NO KEY UPDATE
            """,
            [array(cards), check_type.value],
        )
        return dict(cursor.fetchall())


def lock_newer(check_type: CheckType, tokens: dict[int, int], *, newest_token: Callable[[], int]) -> set[int]:
    """Lock the check states of the cards in `tokens`. Return the ids of cards whose results may be written.

    `tokens` maps card ids to the tokens of their claims. A card is left out if the same claim or a newer one
    has already written its check state. A stored token that is larger than `newest_token()` counts as older,
    because no claim can have had it. Missing check states are inserted, except for cards that no longer
    exist. Needs a transaction.

    Example::

        newer = lock_newer(check_type, {card.pk: claim.token}, newest_token=newest_token)
        write(check_type, [result for result in results if result.card_id in newer], now=now)
    """
    found = lock(check_type, tokens)
    missing = tokens.keys() - found.keys()
    if missing:
        _insert(check_type, sorted(missing))
        found |= lock(check_type, missing)
    newer = {card_id for card_id, token in found.items() if token < tokens[card_id]}
    if len(newer) < len(found):
        # Ask while the rows are locked, so that no newer token can be stored in the meantime.
        newest = newest_token()
        newer |= {card_id for card_id, token in found.items() if token > newest}
    return newer


def write(check_type: CheckType, results: Sequence[CheckResult], *, now: datetime) -> None:
    """Write `results` to check states that the caller has locked with `lock_newer`."""
    _write_answers(check_type, [result for result in results if not result.error], now)
    _write_errors(check_type, [result for result in results if result.error], now)


def _write_answers(check_type: CheckType, results: Sequence[CheckResult], now: datetime) -> None:
    if not results:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_checkstate AS state
            SET token = result.token, error = '', checked_at = %(now)s, failures = 0, failing_since = NULL
            FROM unnest(%(cards)s::bigint[], %(tokens)s::bigint[]) AS result(card_id, token)
            WHERE state.card_id = result.card_id AND state.type = %(type)s
            """,
            _parameters(check_type, results, now),
        )


def _write_errors(check_type: CheckType, results: Sequence[CheckResult], now: datetime) -> None:
    if not results:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_checkstate AS state
            SET token = result.token, error = result.error, failures = state.failures + 1,
                failing_since = coalesce(state.failing_since, %(now)s)
            FROM unnest(%(cards)s::bigint[], %(tokens)s::bigint[], %(errors)s::text[])
                AS result(card_id, token, error)
            WHERE state.card_id = result.card_id AND state.type = %(type)s
            """,
            {
                **_parameters(check_type, results, now),
                "errors": [result.error for result in results],
            },
        )


def _parameters(check_type: CheckType, results: Sequence[CheckResult], now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "cards": array(result.card_id for result in results),
        "tokens": array(result.token for result in results),
        "type": check_type.value,
    }


def _insert(check_type: CheckType, cards: Sequence[int]) -> None:
    # Select the ids from cards_card, because a card may have been removed while it was being checked.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cards_checkstate (card_id, type, token, failures, error, parked_where)
            SELECT id, %s, 0, 0, '', '' FROM cards_card WHERE id = ANY(%s) ORDER BY id
            ON CONFLICT (card_id, type) DO NOTHING
            """,
            [check_type.value, list(cards)],
        )
