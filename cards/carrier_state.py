"""What a carrier says of the state of its cards, taken over a batch at a time; each change belongs to a card's story."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from cards import events
from cards.models import CardEvent


@dataclass(frozen=True)
class Observed:
    """A column of a card that its carrier tells. `also` is written with it."""

    column: str
    kind: CardEvent.Kind
    also: str = ""


REAL_NAME: Final = Observed("real_name_status", CardEvent.Kind.REAL_NAME)
NETWORK: Final = Observed("network_status", CardEvent.Kind.NETWORK, also=", network_checked_at = %(now)s")


def take_over(observed: Observed, values: Mapping[int, str], *, cause: str, now: datetime) -> list[int]:
    """Write the values (card id -> what the carrier says) that differ; returns the ids of the cards that changed.

    Needs a transaction. Tells that cards changed, when it commits.
    """
    if not values:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH said AS MATERIALIZED (
                SELECT * FROM unnest(%(cards)s::bigint[], %(values)s::text[]) AS said(card_id, value)
            ), old AS MATERIALIZED (
                SELECT card.id, card.{observed.column} AS before, said.value AS after
                FROM cards_card AS card JOIN said ON said.card_id = card.id
                WHERE card.deleted_at IS NULL AND card.{observed.column} <> said.value
                ORDER BY card.id FOR NO KEY UPDATE OF card
            ), written AS (
                UPDATE cards_card AS card SET {observed.column} = old.after{observed.also}
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
                "kind": observed.kind.value,
                "cause": cause,
            },
        )
        changed = [card_id for (card_id,) in cursor.fetchall()]
    events.tell(changed)
    return changed
