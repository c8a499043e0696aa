"""Reads subscriptions as accounts: those of many cards at a time, their own and their devices'."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import connection

from cards.models import PlanCycle, Subscription
from cards.usage_allocation import Account
from carriers.cycles import BillingCalendar
from common.arrays import array


def in_force(moments: Sequence[tuple[int, datetime]]) -> Mapping[int, list[int]]:
    """Card -> ids of its and its device's subscriptions that were in force at the moments (card id, time)."""
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
        for card_id, account_id in cursor.fetchall():
            found[card_id].append(account_id)
    return found


def lock(ids: Collection[int]) -> dict[int, Account]:
    """The accounts with these ids. In their order: two batches may share a device, and must not wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT account.id, account.device_id IS NULL, account.kind = 'main',
                   coalesce(account.virtual_quota_mb, account.quota_mb), account.used_mb, account.period_start,
                   account.starts_at, account.ends_at, account.cycle, carrier.time_zone, carrier.billing_day,
                   account.quota_version, CASE WHEN account.judged_at IS NOT NULL THEN account.state END
            FROM cards_subscription AS account
            JOIN carriers_carrier AS carrier ON carrier.id = account.carrier_id
            WHERE account.id = ANY(%s::bigint[])
            ORDER BY account.id FOR NO KEY UPDATE OF account
            """,
            [array(ids)],
        )
        return {
            pk: Account(
                pk, is_own, is_main, allowance, used, period, starts_at, ends_at,
                PlanCycle(cycle), BillingCalendar(time_zone, billing_day), version,
                Subscription.State(state) if state else None,
            )
            for (
                pk, is_own, is_main, allowance, used, period, starts_at, ends_at, cycle, time_zone, billing_day, version,
                state,
            ) in cursor.fetchall()
        }  # fmt: skip
