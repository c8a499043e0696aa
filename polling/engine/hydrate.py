"""Hydrate claimed cards: load all that is needed to check them, in one query."""

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
from polling.engine.disposition import Disposal, Disposition, dispose_claim
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.matching import interval_for
from polling.schedule.schedule import Claim

# Stands in for the interval of a triggered card if no config wants its check. The value has no effect,
# because such a card is not in the schedule, and settling its claim does not add it.
OFF = timedelta(hours=1)


@dataclass(frozen=True)
class Hydrated:
    """The claimed cards that must be checked, and the disposals of the others.

    `profiles_off` contains the profiles that do not want the check. Cards with these profiles may still be in
    the schedule. `unreadable` contains claims whose rows do not make sense, each with the error that was raised.
    """

    cards: list[PolledCard] = field(default_factory=list)
    disposals: list[Disposal] = field(default_factory=list)
    profiles_off: set[CardProfile] = field(default_factory=set)
    unreadable: list[tuple[Claim, Exception]] = field(default_factory=list)


def hydrate(check_type: CheckType, claims: Sequence[Claim], snapshot: ConfigSnapshot) -> Hydrated:
    """Load the cards of `claims`, each with the ids of the trigger items that wait for its check."""
    rows = {row[0]: row[1:] for row in _rows(check_type, [claim.card_id for claim in claims])}
    profiles = {card_id: CardProfile._make(row[4:]) for card_id, row in rows.items()}
    # Decide once for each profile instead of each card, because a batch has few profiles.
    intervals = {
        profile: interval_for(profile, check_type, snapshot.configs) for profile in set(profiles.values())
    }
    hydrated = Hydrated(profiles_off={profile for profile, interval in intervals.items() if interval is None})
    for claim in claims:
        profile = profiles.get(claim.card_id)
        if profile is None:
            hydrated.disposals.append(dispose_claim(claim, Disposition.UNWANTED))
            continue
        item_ids = rows[claim.card_id][3]
        interval = intervals[profile]
        if interval is None and (not item_ids or CHECKS[check_type].unwanted_reason(profile)):
            hydrated.disposals.append(dispose_claim(claim, Disposition.UNWANTED))
        elif not item_ids and claim.is_triggered and claim.overdue < timedelta():
            hydrated.disposals.append(dispose_claim(claim, Disposition.STALE_HINT))
        else:
            try:
                hydrated.cards.append(_card(claim, rows[claim.card_id], profile, interval, snapshot))
            except Exception as error:  # noqa: BLE001 (it is logged when it is stored)
                # For example, SQL has given the card a carrier that does not exist. Others must not suffer.
                hydrated.unreadable.append((claim, error))
    return hydrated


def _card(
    claim: Claim,
    row: tuple[Any, ...],
    profile: CardProfile,
    interval: timedelta | None,
    snapshot: ConfigSnapshot,
) -> PolledCard:
    iccid, gateway_id, failures, item_ids = row[:4]
    tariff = snapshot.tariffs[profile.carrier_id]
    return PolledCard(
        claim,
        iccid,
        gateway_id,
        profile,
        tariff,
        interval or OFF,
        failures or 0,
        item_ids=tuple(item_ids or ()),
    )


def _rows(check_type: CheckType, cards: Sequence[int]) -> list[tuple[Any, ...]]:
    if not cards:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT card.id, card.iccid, card.gateway_id, state.failures, waiting.items, {PROFILE_COLUMNS}
            FROM cards_card AS card
            -- Repeat the card ids here. Otherwise PostgreSQL scans all of cards_checkstate if it is small.
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
