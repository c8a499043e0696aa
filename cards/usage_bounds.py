"""Load by how much the usage of subscriptions may be wrong, because meters of their cards are uncertain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db import connection

from cards.meter_store import IS_PROVISIONAL, UNCONFIRMED_MB
from cards.sharing import CARDS_OF_MAIN
from common.arrays import array


@dataclass(frozen=True)
class Bounds:
    """The most by which the usage of a subscription may be too high (`over_mb`) or too low (`under_mb`)."""

    over_mb: Decimal = Decimal(0)
    under_mb: Decimal = Decimal(0)

    def __add__(self, other: "Bounds") -> "Bounds":
        """Return the bounds of the sum of two amounts."""
        return Bounds(self.over_mb + other.over_mb, self.under_mb + other.under_mb)


EXACT: Final = Bounds()


@dataclass(frozen=True)
class Since:
    """When the period of a subscription began, and the date of that in the carrier's time zone."""

    at: datetime
    on: date


def of_subscriptions(mains: Mapping[int, Since]) -> dict[int, Bounds]:
    """Return the bounds of the main subscriptions whose cards have uncertain meters.

    `mains` maps their ids to the start of the oldest period whose usage is judged with them. While a counter may
    still restart, its growth may belong to the cycle before, so none of it is certain. If the period began
    before the meter's cycle, the bounds of the previous cycle count, too.
    """
    owned = f"""
        SELECT judged.*, card.id AS card_id FROM judged JOIN cards_subscription AS main USING (id)
        CROSS JOIN LATERAL {CARDS_OF_MAIN} AS card
    """
    return _bounds_of(owned, mains, {})


def of_cards(main_of: Mapping[int, int], mains: Mapping[int, Since]) -> dict[int, Bounds]:
    """Return what only these cards add to the bounds of their main subscriptions: `main_of` maps card ids to them."""
    owned = """
        SELECT judged.*, chosen.card_id
        FROM judged JOIN unnest(%(cards)s::bigint[], %(main_of)s::bigint[]) AS chosen(card_id, id) USING (id)
    """
    return _bounds_of(owned, mains, {"cards": array(main_of), "main_of": array(main_of.values())})


def _bounds_of(owned: str, mains: Mapping[int, Since], parameters: Mapping[str, str]) -> dict[int, Bounds]:
    """Return the bounds of `mains`. The query `owned` joins them, as `judged`, with their cards."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH judged AS (
                SELECT * FROM unnest(%(mains)s::bigint[], %(since)s::timestamptz[], %(days)s::date[])
                    AS judged(id, began_at, began_on)
            ), owned AS ({owned}), bound AS (
                SELECT owned.id, owned.began_on < meter.cycle_start AS is_longer,
                    meter.under_mb, meter.last_under_mb,
                    least(meter.last_over_mb, meter.last_month_total_mb) AS last_over_mb,
                    CASE WHEN {IS_PROVISIONAL} THEN meter.used_mb
                        ELSE least(greatest(meter.over_mb, {UNCONFIRMED_MB}), meter.used_mb) END
                        AS most_over_mb
                FROM owned JOIN cards_cardusage AS meter ON meter.card_id = owned.card_id
                -- The usage of any other meter was counted in an earlier period.
                WHERE meter.measured_at > owned.began_at
            )
            SELECT id,
                sum(most_over_mb + CASE WHEN is_longer THEN last_over_mb ELSE 0 END),
                sum(under_mb + CASE WHEN is_longer THEN last_under_mb ELSE 0 END)
            FROM bound
            WHERE most_over_mb + under_mb > 0 OR (is_longer AND last_over_mb + last_under_mb > 0)
            GROUP BY id
            """,
            {
                "mains": array(mains),
                "since": array(since.at for since in mains.values()),
                "days": array(since.on for since in mains.values()),
                **parameters,
            },
        )
        return {main_id: Bounds(over, under) for main_id, over, under in cursor.fetchall()}
