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
    loaded = Loaded([], [], [])
    for claim in claims:
        row = rows.get(claim.card_id)
        interval = interval_for(CardClass(*row[3:]), check_type, directory.configs) if row else None
        if row is None or interval is None:
            loaded.unwanted.append(claim)
            continue
        iccid, gateway_id, failures, carrier_id = row[:4]
        gateway = directory.gateways.get(gateway_id or directory.default_gateways.get(carrier_id, 0))
        if gateway is None:
            loaded.closed.append(claim)
            continue
        loaded.cards.append(
            PolledCard(claim, iccid, gateway.pk, directory.tariffs[carrier_id], interval, failures or 0)
        )
    return loaded


def _rows(check_type: CheckType, cards: Sequence[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT card.id, card.iccid, card.gateway_id, state.failures, card.carrier_id, card.category,
                   card.status, card.real_name_status, card.network_status, card.enable_polling
            FROM cards_card AS card
            LEFT JOIN cards_checkstate AS state ON state.card_id = card.id AND state.type = %s
            WHERE card.id = ANY(%s) AND card.deleted_at IS NULL
            """,
            [check_type.value, list(cards)],
        )
        return list(cursor.fetchall())


def _tariff(carrier: Carrier) -> Tariff:
    calendar = BillingCalendar(carrier.time_zone, carrier.billing_day)
    return Tariff(calendar, is_lifetime=carrier.counter == Counter.LIFETIME)
