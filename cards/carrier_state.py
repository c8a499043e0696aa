"""Store the states that carriers report for their cards, and write each change to the card's history."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from cards import signals
from cards.models import CardEvent


@dataclass(frozen=True)
class ReportedColumn:
    """A column of the cards table that stores a reported state, and the kind of event that records a change.

    `also_set` is SQL that `store` appends to the SET clause of its UPDATE.
    """

    column: str
    kind: CardEvent.Kind
    also_set: str = ""


REAL_NAME: Final = ReportedColumn("real_name_status", CardEvent.Kind.REAL_NAME)
NETWORK: Final = ReportedColumn(
    "network_status", CardEvent.Kind.NETWORK, also_set=", network_checked_at = %(now)s"
)


def store(reported: ReportedColumn, values: Mapping[int, str], *, cause: str, now: datetime) -> list[int]:
    """Write the values that differ from the stored values, and return the ids of the changed cards.

    `values` maps card ids to reported values. Needs a transaction. `cards_changed` is sent on commit.

    Example::

        store(NETWORK, {card.pk: "stopped"}, cause="data usage check", now=now)
    """
    if not values:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH reported AS MATERIALIZED (
                SELECT * FROM unnest(%(cards)s::bigint[], %(values)s::text[]) AS reported(card_id, value)
            ), old AS MATERIALIZED (
                SELECT card.id, card.{reported.column} AS before, reported.value AS after
                FROM cards_card AS card JOIN reported ON reported.card_id = card.id
                WHERE card.deleted_at IS NULL AND card.{reported.column} <> reported.value
                ORDER BY card.id FOR NO KEY UPDATE OF card
            ), written AS (
                UPDATE cards_card AS card SET {reported.column} = old.after{reported.also_set}
                FROM old WHERE card.id = old.id
            )
            INSERT INTO cards_cardevent (card_id, at, kind, before, after, cause)
            SELECT id, %(now)s, %(kind)s, before, after, %(cause)s FROM old ORDER BY id
            RETURNING card_id
            """,
            {
                "cards": list(values),
                "values": list(values.values()),
                "now": now,
                "kind": reported.kind.value,
                "cause": cause,
            },
        )
        changed = [card_id for (card_id,) in cursor.fetchall()]
    signals.send_on_commit(changed)
    return changed
