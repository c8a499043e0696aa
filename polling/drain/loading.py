"""Loads claimed cards with what every check needs of them, in one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from cards.models import CheckType
from polling.card_class import CLASS_COLUMNS, CardClass
from polling.checks.base import PolledCard
from polling.drain.directory import Directory
from polling.matching import interval_for
from polling.store.schedule import Claim


@dataclass(frozen=True)
class Loaded:
    """Claimed cards, and the claims of those that are deleted, or do not want this check any more."""

    cards: list[PolledCard]
    unwanted: list[Claim]


def load(check_type: CheckType, claims: Sequence[Claim], directory: Directory) -> Loaded:
    """Load the cards of `claims`."""
    rows = {row[0]: row[1:] for row in _rows(check_type, [claim.card_id for claim in claims])}
    classes = {card_id: CardClass._make(row[3:]) for card_id, row in rows.items()}
    # Decided once a class, not once a card: a batch has few classes.
    intervals = {card: interval_for(card, check_type, directory.configs) for card in set(classes.values())}
    loaded = Loaded([], [])
    for claim in claims:
        card = classes.get(claim.card_id)
        interval = intervals[card] if card else None
        if card is None or interval is None:
            loaded.unwanted.append(claim)
            continue
        iccid, gateway_id, failures = rows[claim.card_id][:3]
        tariff = directory.tariffs[card.carrier_id]
        loaded.cards.append(PolledCard(claim, iccid, gateway_id, card, tariff, interval, failures or 0))
    return loaded


def _rows(check_type: CheckType, cards: Sequence[int]) -> list[tuple[Any, ...]]:
    if not cards:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT card.id, card.iccid, card.gateway_id, state.failures, {CLASS_COLUMNS}
            FROM cards_card AS card
            -- The cards are named twice: else a small table is scanned whole for the join.
            LEFT JOIN cards_checkstate AS state
                ON state.card_id = card.id AND state.card_id = ANY(%(cards)s) AND state.type = %(type)s
            WHERE card.id = ANY(%(cards)s) AND card.deleted_at IS NULL
            """,
            {"type": check_type.value, "cards": list(cards)},
        )
        return list(cursor.fetchall())
