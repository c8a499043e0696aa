"""Load allowances for many cards at once, from the subscriptions of the cards and of their devices."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from django.db import connection

from cards.models import PlanCycle, Subscription
from cards.usage_allocation import ZERO, Allowance
from cards.usage_bounds import EXACT, Bounds
from carriers.cycles import BillingCalendar, calendar_from
from carriers.models import Carrier
from common.arrays import array

# The place of the carrier's id in the rows that `lock` reads.
_CARRIER_PLACE: Final = 9
# The arguments of `calendar_from`.
_CALENDAR_FIELDS: Final = (
    "time_zone", "billing_day", "calendar_changed_at", "changed_in_cycle", "time_zone_before",
)  # fmt: skip


def in_force(moments: Sequence[tuple[int, datetime]]) -> Mapping[int, list[int]]:
    """Return card id -> ids of the subscriptions in force for the card or its device.

    `moments` contains pairs of a card id and the time at which that card's subscriptions must be in force. A
    card without such subscriptions is left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH wanted AS MATERIALIZED (
                SELECT * FROM unnest(%(cards)s::bigint[], %(moments)s::timestamptz[]) AS w(card_id, moment)
            )
            SELECT wanted.card_id, own.id AS id FROM wanted
            JOIN cards_subscription AS own ON own.card_id = wanted.card_id
            WHERE own.starts_at <= moment AND (own.ends_at IS NULL OR own.ends_at > moment)
            UNION ALL
            SELECT wanted.card_id, shared.id FROM wanted
            JOIN cards_card AS card ON card.id = wanted.card_id
            JOIN cards_subscription AS shared ON shared.device_id = card.device_id
            WHERE shared.starts_at <= moment AND (shared.ends_at IS NULL OR shared.ends_at > moment)
            ORDER BY card_id, id
            """,
            {"cards": array(card for card, _ in moments), "moments": array(moment for _, moment in moments)},
        )
        found: dict[int, list[int]] = defaultdict(list)
        for card_id, allowance_id in cursor.fetchall():
            found[card_id].append(allowance_id)
    return found


def lock(ids: Collection[int]) -> dict[int, Allowance]:
    """Lock the subscriptions with these ids, and return id -> Allowance. Needs a transaction.

    The rows are locked by ascending id, so that two batches with cards of the same device cannot deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT subscription.id, subscription.device_id IS NULL, subscription.kind = 'main',
                   coalesce(subscription.virtual_quota_mb, subscription.quota_mb),
                   subscription.used_mb, subscription.period_start,
                   subscription.starts_at, subscription.ends_at, subscription.cycle, subscription.carrier_id,
                   subscription.quota_version,
                   CASE WHEN subscription.judged_at IS NOT NULL THEN subscription.state END,
                   subscription.possible_state,
                   nullif(subscription.over_mb, 0), nullif(subscription.under_mb, 0)
            FROM cards_subscription AS subscription
            WHERE subscription.id = ANY(%s::bigint[])
            ORDER BY subscription.id FOR NO KEY UPDATE OF subscription
            """,
            [array(ids)],
        )
        rows = cursor.fetchall()
        # Almost all subscriptions share a few calendars, and have no bounds.
        calendars = _calendars({row[_CARRIER_PLACE] for row in rows})
        return {
            pk: Allowance(
                pk, is_own, is_main, allowance, used, period, starts_at, ends_at,
                PlanCycle(cycle), calendars[carrier], version,
                Subscription.State(state) if state else None,
                Subscription.State(possible) if possible else None,
                Bounds(over or ZERO, under or ZERO) if over or under else EXACT,
            )
            for (
                pk, is_own, is_main, allowance, used, period, starts_at, ends_at, cycle,
                carrier, version, state, possible, over, under,
            ) in rows
        }  # fmt: skip


def _calendars(carriers: Collection[int]) -> dict[int, BillingCalendar]:
    """Return carrier id -> billing calendar."""
    found = Carrier.objects.filter(pk__in=carriers).values_list("pk", *_CALENDAR_FIELDS)
    return {pk: calendar_from(*values) for pk, *values in found}
