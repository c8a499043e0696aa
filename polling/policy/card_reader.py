"""Read cards in bulk for planning: their profiles, their gateways and the ages of their last good answers."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection

from cards.models import Card, CheckType
from polling.checks.card_profile import PROFILE_COLUMNS, PROFILE_FIELDS, PROFILE_SQL, CardProfile

# For more than MAX_LISTED_IDS ids, query a range (BETWEEN), because a list would be slower. But use the list
# if the range spans at least MAX_RANGE_FACTOR times as many ids.
MAX_LISTED_IDS, MAX_RANGE_FACTOR = 5_000, 10


class Group(NamedTuple):
    """The cards that share a profile and a gateway.

    If `gateway_id` is None, these cards use the default gateway of their carrier.
    """

    profile: CardProfile
    gateway_id: int | None


Row = tuple[int, Group]


class _Groups(dict[tuple[Any, ...], Group]):
    """Maps the columns of a card (gateway last) to a Group. Cards with equal columns share one object.

    This saves memory, because a million cards have only about a thousand groups.
    """

    def __missing__(self, columns: tuple[Any, ...]) -> Group:
        self[columns] = Group(CardProfile._make(columns[:-1]), columns[-1])
        return self[columns]


def chunks(size: int, *, after: int = 0) -> Iterator[list[Row]]:
    """Yield the cards that are not deleted and have an id above `after`, in chunks sorted by id.

    A chunk is a list of up to `size` pairs of (card id, group).
    """
    while cards := _read(after, size):
        after = cards[-1][0]
        yield cards


def rows_of(cards: Collection[int]) -> list[Row]:
    """Return (card id, group) for each of `cards` that is not deleted, in no particular order."""
    if not cards:
        return []
    among, values = _among(cards)
    wanted = set(cards)
    rows = _rows(f"WHERE card.deleted_at IS NULL AND card.id {among}", values)
    return [row for row in rows if row[0] in wanted]


def last_checks(check_type: CheckType, cards: Collection[int]) -> tuple[dict[int, float], dict[int, int]]:
    """Return two mappings: card id -> age of the last good answer in seconds, and card id -> last token.

    The last token belongs to the claim that last wrote a result, even if that result was an error. The first
    mapping lacks cards without a good answer, and the second lacks cards without a token.
    """
    if not cards:
        return {}, {}
    among, values = _among(cards)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT card_id, date_part('epoch', statement_timestamp() - checked_at), token
            FROM cards_checkstate WHERE type = %s AND card_id {among}
            """,
            [check_type.value, *values],
        )
        rows = cursor.fetchall()
    return {card_id: age for card_id, age, _ in rows if age is not None}, {
        card_id: token for card_id, _, token in rows if token
    }


def parked(check_type: CheckType, cards: Collection[int] | None = None) -> list[Row]:
    """Return (card id, group) for the cards that are parked in PostgreSQL.

    If `cards` is not None, return only the cards with these ids.
    """
    among, values = ("", []) if cards is None else ("AND card.id = ANY(%s)", [list(cards)])
    return _rows(
        f"""
        JOIN cards_checkstate AS state ON state.card_id = card.id
        WHERE card.deleted_at IS NULL AND state.type = %s AND state.parked_at IS NOT NULL {among}
        """,
        [check_type.value, *values],
    )


def samples(profiles: Collection[CardProfile], *, count: int) -> list[tuple[str, int, CardProfile]]:
    """Return (ICCID, card id, profile) for up to `count` cards of each profile.

    This is slow if a profile has fewer than `count` cards, because PostgreSQL then reads the entire table.
    """
    if not profiles:
        return []
    placeholders = ", ".join([f"({', '.join(['%s'] * len(PROFILE_FIELDS))})"] * len(profiles))
    same = " AND ".join(f"{sql} = chosen.{field}" for field, sql in PROFILE_SQL.items())
    values: list[Any] = [*chain.from_iterable(profiles), count]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT sample.* FROM (VALUES {placeholders}) AS chosen ({", ".join(PROFILE_FIELDS)})
            CROSS JOIN LATERAL (
                SELECT card.iccid, card.id, {PROFILE_COLUMNS} FROM cards_card AS card
                WHERE card.deleted_at IS NULL AND {same} LIMIT %s
            ) AS sample
            """,
            values,
        )
        return [(row[0], row[1], CardProfile._make(row[2:])) for row in cursor.fetchall()]


def estimated_cards() -> int:
    """Return PostgreSQL's estimate of the number of cards. If there is no estimate yet, count the cards."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = 'cards_card'::regclass")
        estimate = int(cursor.fetchone()[0])
    return estimate if estimate > 0 else Card.objects.present().count()


def _read(after: int, size: int) -> list[Row]:
    return _rows("WHERE card.deleted_at IS NULL AND card.id > %s ORDER BY card.id LIMIT %s", [after, size])


def _rows(rest: str, values: Sequence[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT card.id, {PROFILE_COLUMNS}, card.gateway_id FROM cards_card AS card {rest}", values
        )
        groups = _Groups()
        return [(row[0], groups[row[1:]]) for row in cursor.fetchall()]


def _among(cards: Collection[int]) -> tuple[str, list[Any]]:
    if len(cards) > MAX_LISTED_IDS and max(cards) - min(cards) < len(cards) * MAX_RANGE_FACTOR:
        return "BETWEEN %s AND %s", [min(cards), max(cards)]
    return "= ANY(%s)", [list(cards)]
