"""Loads claimed cards with what every check needs of them, in one query."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from cards.models import CheckType
from common.arrays import array
from polling.checks.base import PolledCard
from polling.checks.card_profile import PROFILE_COLUMNS, CardProfile
from polling.checks.registry import CHECKS
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.matching import interval_for
from polling.schedule.schedule import Claim

# Who asks for a check that is off does not put it into the schedule: no settling looks at this.
OFF = timedelta(hours=1)


@dataclass(frozen=True)
class Loaded:
    """Claimed cards, and the claims of those that are deleted, or do not want this check any more.

    `classes_off` are the classes of the latter: the schedule may still be planned as if they wanted it. `not_asked_for`
    are claims by a hint that no item stands behind, of cards that are not due.
    """

    cards: list[PolledCard] = field(default_factory=list)
    unwanted: list[Claim] = field(default_factory=list)
    not_asked_for: list[Claim] = field(default_factory=list)
    classes_off: set[CardProfile] = field(default_factory=set)


def load(check_type: CheckType, claims: Sequence[Claim], snapshot: ConfigSnapshot) -> Loaded:
    """Load the cards of `claims`, with the items of triggers that wait for this check of them."""
    rows = {row[0]: row[1:] for row in _rows(check_type, [claim.card_id for claim in claims])}
    classes = {card_id: CardProfile._make(row[4:]) for card_id, row in rows.items()}
    # Decided once a class, not once a card: a batch has few classes.
    intervals = {card: interval_for(card, check_type, snapshot.configs) for card in set(classes.values())}
    loaded = Loaded(classes_off={card for card, interval in intervals.items() if interval is None})
    for claim in claims:
        card = classes.get(claim.card_id)
        if card is None:
            loaded.unwanted.append(claim)
            continue
        iccid, gateway_id, failures, item_ids = rows[claim.card_id][:4]
        interval = intervals[card]
        if interval is None and (not item_ids or CHECKS[check_type].unwanted_reason(card)):
            loaded.unwanted.append(claim)
        elif not item_ids and claim.is_triggered and claim.overdue < timedelta():
            loaded.not_asked_for.append(claim)
        else:
            tariff = snapshot.tariffs[card.carrier_id]
            loaded.cards.append(
                PolledCard(
                    claim,
                    iccid,
                    gateway_id,
                    card,
                    tariff,
                    interval or OFF,
                    failures or 0,
                    item_ids=tuple(item_ids or ()),
                )
            )
    return loaded


def _rows(check_type: CheckType, cards: Sequence[int]) -> list[tuple[Any, ...]]:
    if not cards:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT card.id, card.iccid, card.gateway_id, state.failures, waiting.items, {PROFILE_COLUMNS}
            FROM cards_card AS card
            -- The cards are named twice: else a small table is scanned whole for the join.
            LEFT JOIN cards_checkstate AS state
                ON state.card_id = card.id AND state.card_id = ANY(%(cards)s::bigint[]) AND state.type = %(type)s
            LEFT JOIN (
                SELECT card_id, array_agg(id) AS items FROM polling_manualitem
                WHERE card_id = ANY(%(cards)s::bigint[]) AND task_type = %(type)s AND status = 'queued'
                GROUP BY card_id
            ) AS waiting ON waiting.card_id = card.id
            WHERE card.id = ANY(%(cards)s::bigint[]) AND card.deleted_at IS NULL
            """,
            {"type": check_type.value, "cards": array(cards)},
        )
        return list(cursor.fetchall())
