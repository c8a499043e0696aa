"""A card's usage as stored in its counter, meter, history and plan, which must all grow by the same amount.

Comparing their growth during a drill reveals a reading that was counted twice or not at all, even if that
reading left no row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from lab.stack.stack import Stack

# Read all amounts in one statement, because it sees either all rows of a transaction or none of them. Add up
# a card's subscriptions, because usage beyond an add-on's quota counts on the main subscription.
STORED_USAGE = """
    SELECT meter.card_id, meter.cycle_start, meter.raw_mb, meter.used_mb, coalesce(history.added_mb, 0),
           plan.period_start, plan.used_mb
    FROM cards_cardusage AS meter
    LEFT JOIN (
        SELECT card_id, sum(delta_mb) AS added_mb FROM cards_usagerecord GROUP BY card_id
    ) AS history ON history.card_id = meter.card_id
    LEFT JOIN (
        SELECT card_id, min(period_start) AS period_start, sum(used_mb) AS used_mb FROM cards_subscription
        WHERE card_id IS NOT NULL
        GROUP BY card_id HAVING count(DISTINCT period_start) = 1 AND bool_or(kind = 'main')
    ) AS plan ON plan.card_id = meter.card_id
"""


@dataclass(frozen=True)
class StoredUsage:
    """The four amounts, in MB, that the database holds for one card's usage.

    `raw_mb` is the carrier's counter, `used_mb` is the usage in the current cycle, and `added_mb` is the sum
    of the usage history. `plan_used_mb` is what the card's own subscriptions have counted since
    `period_start`. `plan_used_mb` and `period_start` are None if the card has no main subscription of its
    own, or if its own subscriptions have different period starts.
    """

    cycle_start: date
    raw_mb: Decimal
    used_mb: Decimal
    added_mb: Decimal
    period_start: date | None = None
    plan_used_mb: Decimal | None = None


def usage_by_card(stack: Stack) -> dict[int, StoredUsage]:
    """Return a dict from card id to the card's stored usage, for every card that has a meter."""
    return {card: StoredUsage(*columns) for card, *columns in stack.rows(STORED_USAGE)}


def has_used(before: StoredUsage, after: StoredUsage) -> bool:
    """Return whether the carrier's counter grew from `before` to `after`."""
    return after.raw_mb > before.raw_mb


def miscounted(before: Mapping[int, StoredUsage], after: Mapping[int, StoredUsage]) -> set[int]:
    """Return the ids of the cards whose counter, meter, history and plan did not all grow by the same amount.

    Skip cards that are not in `before`, and cards whose billing cycle changed. Pure.
    """
    return {
        card
        for card, usage in after.items()
        if (begun := before.get(card))
        and begun.cycle_start == usage.cycle_start
        and not _agrees(begun, usage)
    }


def _agrees(before: StoredUsage, after: StoredUsage) -> bool:
    grown = {
        after.raw_mb - before.raw_mb,
        after.used_mb - before.used_mb,
        after.added_mb - before.added_mb,
    }
    if after.plan_used_mb is not None and before.plan_used_mb is not None:
        is_same_period = after.period_start == before.period_start
        grown |= {after.plan_used_mb - before.plan_used_mb} if is_same_period else set()
    return len(grown) == 1
