"""Counts what readings added on the subscriptions in force, a batch at a time."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.db import connection

from cards.consumption import Account, Growth, counted, in_charge
from cards.models import PlanCycle
from carriers.cycles import BillingCalendar


def count(growths: Sequence[Growth]) -> None:
    """Add the growths, each to the subscriptions in force when it was measured. Needs a transaction."""
    if not growths:
        return
    candidates: Mapping[int, list[int]] = {}
    # Again when a plan was replaced while we waited for its lock: its successor counts then.
    while (found := _candidates(growths)) != candidates:
        candidates = found
        before = _lock({account_id for ids in candidates.values() for account_id in ids})
    if not candidates:
        return
    after = dict(before)
    # In the order of time: a reading of a new period ends the one before for all cards of a device.
    for growth in sorted(growths, key=lambda growth: growth.measured_at):
        accounts = [after[account_id] for account_id in candidates.get(growth.card_id, ())]
        if chosen := in_charge(accounts, growth.measured_at):
            after.update({account.id: account for account in counted(chosen, growth)})
    _write([account for account in after.values() if account != before[account.id]])


def _candidates(growths: Sequence[Growth]) -> Mapping[int, list[int]]:
    """Card -> ids of its and its device's subscriptions that were in force when it was read."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH growth AS MATERIALIZED (
                SELECT * FROM unnest(%(cards)s::bigint[], %(measured)s::timestamptz[]) AS g(card_id, measured_at)
            )
            SELECT growth.card_id, own.id AS id FROM growth
            JOIN cards_subscription AS own ON own.card_id = growth.card_id
            WHERE own.starts_at <= measured_at AND (own.ends_at IS NULL OR own.ends_at > measured_at)
            UNION ALL
            SELECT growth.card_id, shared.id FROM growth
            JOIN cards_card AS card ON card.id = growth.card_id
            JOIN cards_subscription AS shared ON shared.device_id = card.device_id
            WHERE shared.starts_at <= measured_at AND (shared.ends_at IS NULL OR shared.ends_at > measured_at)
            ORDER BY card_id, id
            """,
            {
                "cards": [growth.card_id for growth in growths],
                "measured": [growth.measured_at for growth in growths],
            },
        )
        found: dict[int, list[int]] = defaultdict(list)
        for card_id, account_id in cursor.fetchall():
            found[card_id].append(account_id)
    return found


def _lock(ids: Collection[int]) -> dict[int, Account]:
    # In the order of ids: two batches may share a device, and must not wait for each other.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT account.id, account.device_id IS NULL, account.kind = 'main',
                   coalesce(account.virtual_quota_mb, account.quota_mb), account.used_mb, account.period_start,
                   account.starts_at, account.ends_at, account.cycle, carrier.time_zone, carrier.billing_day
            FROM cards_subscription AS account
            JOIN carriers_carrier AS carrier ON carrier.id = account.carrier_id
            WHERE account.id = ANY(%s)
            ORDER BY account.id FOR NO KEY UPDATE OF account
            """,
            [list(ids)],
        )
        return {
            pk: Account(
                pk, is_own, is_main, allowance, used, period, starts_at, ends_at,
                PlanCycle(cycle), BillingCalendar(time_zone, billing_day),
            )
            for pk, is_own, is_main, allowance, used, period, starts_at, ends_at, cycle, time_zone, billing_day
            in cursor.fetchall()
        }  # fmt: skip


def _write(accounts: Sequence[Account]) -> None:
    if not accounts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_subscription AS account SET used_mb = new.used_mb, period_start = new.period_start
            FROM unnest(%s::bigint[], %s::numeric[], %s::date[]) AS new(id, used_mb, period_start)
            WHERE account.id = new.id
            """,
            [
                [account.id for account in accounts],
                [account.used_mb for account in accounts],
                [account.period_start for account in accounts],
            ],
        )
