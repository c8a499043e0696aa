"""Reads the fleet as planning needs it: the class of many cards at a time, and how old their last answers are."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection

from cards.models import Card, CheckType
from polling.checks.card_profile import PROFILE_COLUMNS, PROFILE_FIELDS, PROFILE_SQL, CardProfile

# Neighbours are read as a range: naming them all takes longer than reading some more. Not so when they are few of many.
MAX_NAMED, MAX_SPREAD = 5_000, 10


class Group(NamedTuple):
    """Cards of one class that are asked about at the same gateway; `gateway_id` None: at their carrier's default."""

    profile: CardProfile
    gateway_id: int | None


Row = tuple[int, Group]


class _Groups(dict[tuple[Any, ...], Group]):
    """Columns of a card, its gateway last -> its group: made once, because a thousand stand for a million cards."""

    def __missing__(self, columns: tuple[Any, ...]) -> Group:
        self[columns] = Group(CardProfile._make(columns[:-1]), columns[-1])
        return self[columns]


def chunks(size: int, *, after: int = 0) -> Iterator[list[Row]]:
    """All cards that are not deleted, by primary key, `size` at a time."""
    while cards := _read(after, size):
        after = cards[-1][0]
        yield cards


def rows_of(cards: Collection[int]) -> list[Row]:
    """Those of `cards` that are not deleted."""
    if not cards:
        return []
    among, values = _among(cards)
    wanted = set(cards)
    rows = _rows(f"WHERE card.deleted_at IS NULL AND card.id {among}", values)
    return [row for row in rows if row[0] in wanted]


def last_checks(check_type: CheckType, cards: Collection[int]) -> tuple[dict[int, float], dict[int, int]]:
    """How many seconds ago each of `cards` last had a good answer, and the token of the claim that wrote last, be it an error.

    Those of which there is none are left out.
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
    """The cards that are parked by their rows, all or those of `cards`; they are few."""
    among, values = ("", []) if cards is None else ("AND card.id = ANY(%s)", [list(cards)])
    return _rows(
        f"""
        JOIN cards_checkstate AS state ON state.card_id = card.id
        WHERE card.deleted_at IS NULL AND state.type = %s AND state.parked_at IS NOT NULL {among}
        """,
        [check_type.value, *values],
    )


def samples(classes: Collection[CardProfile], *, count: int) -> list[tuple[str, int, CardProfile]]:
    """Up to `count` cards of each of some classes: ICCID, id, class. Of a rare class it reads the whole table."""
    if not classes:
        return []
    places = ", ".join([f"({', '.join(['%s'] * len(PROFILE_FIELDS))})"] * len(classes))
    same = " AND ".join(f"{sql} = chosen.{field}" for field, sql in PROFILE_SQL.items())
    values: list[Any] = [*chain.from_iterable(classes), count]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT sample.* FROM (VALUES {places}) AS chosen ({", ".join(PROFILE_FIELDS)})
            CROSS JOIN LATERAL (
                SELECT card.iccid, card.id, {PROFILE_COLUMNS} FROM cards_card AS card
                WHERE card.deleted_at IS NULL AND {same} LIMIT %s
            ) AS sample
            """,
            values,
        )
        return [(row[0], row[1], CardProfile._make(row[2:])) for row in cursor.fetchall()]


def estimated_cards() -> int:
    """How many cards there are, about: PostgreSQL's own estimate, or a count where it has none yet."""
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
    if len(cards) > MAX_NAMED and max(cards) - min(cards) < len(cards) * MAX_SPREAD:
        return "BETWEEN %s AND %s", [min(cards), max(cards)]
    return "= ANY(%s)", [list(cards)]
