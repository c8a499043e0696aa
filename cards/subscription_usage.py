"""Counts what readings added on the subscriptions in force, a batch at a time."""

from collections.abc import Mapping, Sequence

from django.db import connection

from cards import allowances
from cards.usage_allocation import Account, Growth, counted, in_charge
from common.arrays import array


def count(growths: Sequence[Growth]) -> None:
    """Add the growths, each to the subscriptions in force when it was measured. Needs a transaction."""
    if not growths:
        return
    candidates: Mapping[int, list[int]] = {}
    # Again when a plan was replaced while we waited for its lock: its successor counts then.
    while (found := _candidates(growths)) != candidates:
        candidates = found
        before = allowances.lock({account_id for ids in candidates.values() for account_id in ids})
    if not candidates:
        return
    after = dict(before)
    # In the order of time: a reading of a new period ends the one before for all cards of a device.
    for growth in sorted(growths, key=lambda growth: growth.measured_at):
        concerned = [after[account_id] for account_id in candidates.get(growth.card_id, ())]
        if chosen := in_charge(concerned, growth.measured_at):
            after.update({account.id: account for account in counted(chosen, growth)})
    _write([account for account in after.values() if account != before[account.id]])


def _candidates(growths: Sequence[Growth]) -> Mapping[int, list[int]]:
    """Card -> ids of its and its device's subscriptions that were in force when it was read."""
    return allowances.in_force([(growth.card_id, growth.measured_at) for growth in growths])


def _write(changed: Sequence[Account]) -> None:
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_subscription AS account SET used_mb = new.used_mb, period_start = new.period_start
            FROM unnest(%s::bigint[], %s::numeric[], %s::date[]) AS new(id, used_mb, period_start)
            WHERE account.id = new.id
            """,
            [
                array(account.id for account in changed),
                array(account.used_mb for account in changed),
                array(account.period_start for account in changed),
            ],
        )
