"""Whether the books balance: a card's counter, meter, history and plan must have grown by the same amount.

This finds a reading that was counted twice or not at all, even if it left no row of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from lab.stack.stack import Stack

# One statement, so that it sees all rows of a transaction or none. Usage beyond an add-on counts on the main
# subscription, so all subscriptions of a card are summed.
BOOKS = """
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
class Book:
    """One card's books, all in MB.

    `raw_mb` is the carrier's counter, `used_mb` the usage of the cycle, `added_mb` the sum of the history,
    and `plan_used_mb` what the card's own subscriptions have counted since `period_start`; None without any.
    """

    cycle_start: date
    raw_mb: Decimal
    used_mb: Decimal
    added_mb: Decimal
    period_start: date | None = None
    plan_used_mb: Decimal | None = None


def books(stack: Stack) -> dict[int, Book]:
    """Return the books of every metered card by its id, as they are now."""
    return {card: Book(*columns) for card, *columns in stack.rows(BOOKS)}


def has_used(before: Book, after: Book) -> bool:
    """Return whether the counter has grown."""
    return after.raw_mb > before.raw_mb


def miscounted(before: Mapping[int, Book], after: Mapping[int, Book]) -> set[int]:
    """Return the cards whose counter grew by another amount than their meter, history or plan. Pure.

    Cards that were read for the first time, or that crossed a boundary of their cycle, are not judged.
    """
    return {
        card
        for card, book in after.items()
        if (begun := before.get(card)) and begun.cycle_start == book.cycle_start and not _agrees(begun, book)
    }


def _agrees(before: Book, after: Book) -> bool:
    grown = {
        after.raw_mb - before.raw_mb,
        after.used_mb - before.used_mb,
        after.added_mb - before.added_mb,
    }
    if after.plan_used_mb is not None and before.plan_used_mb is not None:
        is_same_period = after.period_start == before.period_start
        grown |= {after.plan_used_mb - before.plan_used_mb} if is_same_period else set()
    return len(grown) == 1
