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

    While a counter's restart is awaited, its growth may belong to the cycle before. If the period of a
    subscription began before the meter's cycle, the bounds of the previous cycle count, too.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH owned AS (
                SELECT main.id, main.card_id, main.period_start FROM cards_subscription AS main
                WHERE main.id = ANY(%(mains)s::bigint[]) AND main.card_id IS NOT NULL
                UNION ALL
                SELECT main.id, card.id, main.period_start FROM cards_subscription AS main
                JOIN cards_card AS card ON card.device_id = main.device_id
                WHERE main.id = ANY(%(mains)s::bigint[]) AND NOT EXISTS (
                    SELECT FROM cards_subscription AS own
                    WHERE own.card_id = card.id AND own.kind = 'main' AND own.ends_at IS NULL
                )
            )
            SELECT owned.id,
                sum(CASE
                    WHEN usage.restart = 'awaited' AND usage.doubt IS NULL THEN usage.used_mb
                    ELSE usage.over_mb
                END + CASE WHEN owned.period_start < usage.cycle_start THEN usage.last_over_mb ELSE 0 END),
                sum(usage.under_mb
                    + CASE WHEN owned.period_start < usage.cycle_start THEN usage.last_under_mb ELSE 0 END)
            FROM owned JOIN cards_cardusage AS usage ON usage.card_id = owned.card_id
            WHERE usage.doubt IS NOT NULL OR usage.restart = 'awaited'
                OR (usage.last_over_mb + usage.last_under_mb > 0 AND owned.period_start < usage.cycle_start)
            GROUP BY owned.id
            """,
            {"mains": array(mains)},
        )
        return {main_id: Bounds(over, under) for main_id, over, under in cursor.fetchall()}
