"""The stored state of the fleet, from the database, and its true state, from the simulator."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from lab.simulator.fleet import CARRIERS, SimulatedCarrier
from tests.faults.conftest import Stack

WANT_CHECKS = "enable_polling AND deleted_at IS NULL AND status IN (2, 3)"
# Status 3 means activated, and status 2 means distributed. The default configs set a data-usage interval for
# a distributed card only if it is an industry card.
WANT_USAGE = f"{WANT_CHECKS} AND (status = 3 OR category = 'industry')"
WANT_REAL_NAME = f"{WANT_CHECKS} AND category = 'normal'"


@dataclass(frozen=True)
class Meter:
    """The columns of a card's row in `cards_cardusage` that the tests compare with the truth."""

    raw_mb: Decimal
    used_mb: Decimal
    last_month_total_mb: Decimal
    cycle_start: date
    measured_at: datetime
    is_suspect: bool = False


@dataclass(frozen=True)
class Record:
    """One reading in a card's usage history."""

    measured_at: datetime
    raw_mb: Decimal
    used_mb: Decimal
    delta_mb: Decimal


@dataclass(frozen=True)
class Plan:
    """The main monthly subscription of a card that has no other subscription of its own.

    By the card's meter, `used_mb` may be too high by `over_mb`, or too low by `under_mb`.
    """

    used_mb: Decimal
    period_start: date
    allowance_mb: Decimal
    state: str
    possible_state: str | None
    over_mb: Decimal
    under_mb: Decimal


def carrier_of(iccid: str) -> SimulatedCarrier:
    return next(carrier for carrier in CARRIERS if iccid.startswith(carrier.prefix))


def column(stack: Stack, name: str, *, of: str = "true") -> dict[int, str]:
    """Return card id -> value of the column `name`, for the cards that meet the SQL condition `of`."""
    rows = stack.rows(f"SELECT id, {name} FROM cards_card WHERE {of}")
    return {row[0]: row[1] for row in rows}


def meters(stack: Stack) -> dict[int, Meter]:
    rows = stack.rows(
        "SELECT card_id, raw_mb, used_mb, last_month_total_mb, cycle_start, measured_at, "
        "suspect_since IS NOT NULL OR suspect_raw_mb IS NOT NULL FROM cards_cardusage"
    )
    return {card_id: Meter(*columns) for card_id, *columns in rows}


def history(stack: Stack) -> dict[int, list[Record]]:
    records: dict[int, list[Record]] = defaultdict(list)
    for card_id, *columns in stack.rows(
        "SELECT card_id, measured_at, raw_mb, used_mb, delta_mb FROM cards_usagerecord ORDER BY measured_at"
    ):
        records[card_id].append(Record(*columns))
    return records


def plain_plans(stack: Stack) -> dict[int, Plan]:
    """Return card id -> plan, for each card with a single subscription of its own, a monthly main one."""
    rows = stack.rows(
        """
        SELECT plan.*,
            CASE
                WHEN meter.restart IN ('awaited', 'unknown', 'likely') THEN meter.used_mb
                -- Only the latest reading shows the restart.
                WHEN meter.before_restart IN ('awaited', 'unknown', 'likely') AND meter.before_at = meter.measured_at
                    THEN meter.used_mb
                ELSE coalesce(meter.over_mb, 0)
            END,
            coalesce(meter.under_mb, 0)
        FROM (
            SELECT card_id, min(used_mb), min(period_start), min(coalesce(virtual_quota_mb, quota_mb)), min(state),
                min(possible_state)
            FROM cards_subscription WHERE card_id IS NOT NULL GROUP BY card_id
            HAVING count(*) = 1 AND min(kind) = 'main' AND min(cycle) = 'month'
        ) AS plan
        LEFT JOIN cards_cardusage AS meter ON meter.card_id = plan.card_id
        """
    )
    return {card_id: Plan(*columns) for card_id, *columns in rows}


def truths(stack: Stack, cards: Iterable[tuple[str, datetime]]) -> list[dict[str, str]]:
    """Return the true state for each pair (ICCID, time) in `cards`, in the same order."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda card: stack.simulator.truth(*card), cards))
