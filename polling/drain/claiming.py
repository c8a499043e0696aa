"""Loads claimed cards with what is needed to ask about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from cards.metering import Tariff
from cards.models import CheckType
from carriers.cycles import BillingCalendar
from carriers.models import Carrier, Counter, Gateway
from polling.checks.base import PolledCard
from polling.matching import CardClass, interval_for
from polling.models import PollingConfig
from polling.store.schedule import Claim


@dataclass(frozen=True)
class Directory:
    """The small tables that every batch needs: read afresh for each, so a change is in force at once."""

    configs: tuple[PollingConfig, ...]
    gateways: dict[int, Gateway]
    default_gateways: dict[int, int]
    tariffs: dict[int, Tariff]

    @classmethod
    def read(cls, now: datetime) -> "Directory":
        """Configs in force, gateways that may be called at `now`, and the carriers' tariffs."""
        gateways = {gateway.pk: gateway for gateway in Gateway.objects.open_at(now)}
        return cls(
            configs=tuple(PollingConfig.objects.in_force()),
            gateways=gateways,
            default_gateways={
                gateway.carrier_id: gateway.pk for gateway in gateways.values() if gateway.is_default
            },
            tariffs={carrier.pk: _tariff(carrier) for carrier in Carrier.objects.all()},
        )


@dataclass(frozen=True)
class Loaded:
    """Claimed cards, sorted by what can be done with them."""

    cards: list[PolledCard]
    # No gateway of theirs may be called now.
    closed: list[Claim]
    # Deleted, or no longer wanting this check.
    unwanted: list[Claim]


def load(check_type: CheckType, claims: Sequence[Claim], directory: Directory) -> Loaded:
    """Load `claims` in one query."""
    rows = {row[0]: row[1:] for row in _rows(check_type, [claim.card_id for claim in claims])}
    classes = {card_id: CardClass(*row[3:]) for card_id, row in rows.items()}
    # Decided once a class, not once a card: a batch has few classes.
    intervals = {card: interval_for(card, check_type, directory.configs) for card in set(classes.values())}
    loaded = Loaded([], [], [])
    for claim in claims:
        card = classes.get(claim.card_id)
        interval = intervals[card] if card else None
        if card is None or interval is None:
            loaded.unwanted.append(claim)
            continue
        iccid, gateway_id, failures = rows[claim.card_id][:3]
        gateway = directory.gateways.get(gateway_id or directory.default_gateways.get(card.carrier_id, 0))
        if gateway is None:
            loaded.closed.append(claim)
            continue
        tariff = directory.tariffs[card.carrier_id]
        loaded.cards.append(PolledCard(claim, iccid, gateway.pk, tariff, interval, failures or 0))
    return loaded


def _rows(check_type: CheckType, cards: Sequence[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT card.id, card.iccid, card.gateway_id, state.failures, card.carrier_id, card.category,
                   card.status, card.real_name_status, card.network_status, card.enable_polling
            FROM cards_card AS card
            -- The cards are named twice: else a small table is scanned whole for the join.
            LEFT JOIN cards_checkstate AS state
                ON state.card_id = card.id AND state.card_id = ANY(%(cards)s) AND state.type = %(type)s
            WHERE card.id = ANY(%(cards)s) AND card.deleted_at IS NULL
            """,
            {"type": check_type.value, "cards": list(cards)},
        )
        return list(cursor.fetchall())


def _tariff(carrier: Carrier) -> Tariff:
    calendar = BillingCalendar(carrier.time_zone, carrier.billing_day)
    return Tariff(calendar, is_lifetime=carrier.counter == Counter.LIFETIME)
