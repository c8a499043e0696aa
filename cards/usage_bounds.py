"""Load by how much the usage of subscriptions may be wrong, because meters of their cards are uncertain."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import connection

from common.arrays import array


@dataclass(frozen=True)
class Bounds:
    """The most by which the usage of a subscription may be too high (`over_mb`) or too low (`under_mb`)."""

    over_mb: Decimal = Decimal(0)
    under_mb: Decimal = Decimal(0)


EXACT: Final = Bounds()


def of_subscriptions(mains: Collection[int]) -> dict[int, Bounds]:
    """Return id -> bounds of the main subscriptions whose cards have uncertain meters.

    While a counter's restart is awaited, its growth may belong to the cycle before.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH owned AS (
                SELECT main.id, main.card_id FROM cards_subscription AS main
                WHERE main.id = ANY(%(mains)s::bigint[]) AND main.card_id IS NOT NULL
                UNION ALL
                SELECT main.id, card.id FROM cards_subscription AS main
                JOIN cards_card AS card ON card.device_id = main.device_id
                WHERE main.id = ANY(%(mains)s::bigint[])
            )
            SELECT owned.id,
                sum(CASE usage.restart WHEN 'awaited' THEN usage.used_mb ELSE usage.over_mb END),
                sum(usage.under_mb)
            FROM owned JOIN cards_cardusage AS usage ON usage.card_id = owned.card_id
            WHERE usage.doubt IS NOT NULL OR usage.restart = 'awaited'
            GROUP BY owned.id
            """,
            {"mains": array(mains)},
        )
        return {main_id: Bounds(over, under) for main_id, over, under in cursor.fetchall()}
