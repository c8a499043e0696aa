"""Count the usage of a batch of cards on their subscriptions, and keep its bounds when cards leave them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.db import connection

from cards import allowances, usage_bounds
from cards.sharing import HAS_OWN_MAIN
from cards.usage_allocation import Allowance, Growth, allocate_usage, applicable
from cards.usage_bounds import Since
from common.arrays import array
from common.frozen import changed


def count(growths: Sequence[Growth]) -> None:
    """Add the usage of each reading to the subscriptions that were in force when the reading was measured.

    Needs a transaction.
    """
    if not growths:
        return
    candidates: Mapping[int, list[int]] = {}
    # After locking the subscriptions, look them up again. If a plan was replaced in the meantime, lock the
    # new subscription too, because the usage counts on the new subscription.
    while (found := _candidates(growths)) != candidates:
        candidates = found
        before = allowances.lock({allowance_id for ids in candidates.values() for allowance_id in ids})
    if not candidates:
        return
    after = dict(before)
    # Start with the oldest reading, because the first reading in a new period closes the previous period for
    # all cards of the device.
    ordered = sorted(growths, key=lambda growth: growth.measured_at)
    corrections = [growth for growth in ordered if growth.added_mb < 0]
    limits = _limits([(growth, _applicable(growth, after, candidates)) for growth in corrections])
    for growth in ordered:
        if chosen := _applicable(growth, after, candidates):
            limited = growth
            if growth.added_mb < 0 and growth.card_id in limits:
                limited = growth.limited_to(limits[growth.card_id])
                limits[growth.card_id] += limited.added_mb
            after.update({allowance.id: allowance for allowance in allocate_usage(chosen, limited)})
    _write([allowance for allowance in after.values() if allowance is not before[allowance.id]])


def keep_bounds(devices: Mapping[int, int]) -> None:
    """Keep on the plans of devices by how much the usage of cards that leave these plans may be wrong.

    `devices` maps the ids of the cards to the ids of the devices. The usage of the cards stays counted on the
    plans, but their meters no longer judge it. The caller must have locked the plans.
    """
    main_of = _mains_left(devices)
    if not main_of:
        return
    known = allowances.lock(set(main_of.values()))
    since = {pk: Since(allowance.began_at, allowance.began_on) for pk, allowance in known.items()}
    bounds = usage_bounds.of_cards(main_of, since)
    _write([changed(known[pk], bounds=known[pk].bounds + added) for pk, added in bounds.items()])


def _mains_left(devices: Mapping[int, int]) -> Mapping[int, int]:
    """Return card id -> main subscription of its device. Cards with a plan of their own are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT card.id, main.id FROM unnest(%s::bigint[], %s::bigint[]) AS card(id, device_id)
            JOIN cards_subscription AS main USING (device_id)
            WHERE main.kind = 'main' AND main.ends_at IS NULL AND NOT {HAS_OWN_MAIN}
            """,
            [array(devices), array(devices.values())],
        )
        return dict(cursor.fetchall())


def _candidates(growths: Sequence[Growth]) -> Mapping[int, list[int]]:
    """Return card id -> ids of the subscriptions in force when the card's usage was measured."""
    return allowances.in_force([(growth.card_id, growth.measured_at) for growth in growths])


def _applicable(
    growth: Growth, known: Mapping[int, Allowance], candidates: Mapping[int, list[int]]
) -> Sequence[Allowance]:
    owned = [known[allowance_id] for allowance_id in candidates.get(growth.card_id, ())]
    return applicable(owned, growth.measured_at)


def _limits(corrections: Sequence[tuple[Growth, Sequence[Allowance]]]) -> dict[int, Decimal]:
    """Return card id -> what the card has counted on its present subscriptions in the meter's cycle.

    Cards that have used these subscriptions since the cycle began are left out.
    """
    corrected = [
        (growth, main)
        for growth, allowances in corrections
        for main in allowances
        if growth.began_at and main.is_main and (not main.is_own or main.starts_at > growth.began_at)
    ]
    if not corrected:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH corrected AS (
                SELECT * FROM unnest(
                    %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::boolean[]
                ) AS corrected(card_id, began_at, measured_at, starts_at, is_own)
            ), shared AS (
                -- A card uses its device's plan since it was put into the device, and since its own plan ended.
                SELECT *, CASE WHEN is_own THEN starts_at ELSE greatest(
                    starts_at,
                    (SELECT max(at) FROM cards_cardevent AS event
                        WHERE event.card_id = corrected.card_id AND kind = 'device'),
                    (SELECT max(ends_at) FROM cards_subscription AS own
                        WHERE own.card_id = corrected.card_id AND kind = 'main' AND ends_at <= measured_at)
                ) END AS since
                FROM corrected
            )
            SELECT card_id, (
                SELECT coalesce(sum(delta_mb), 0) FROM cards_usagerecord AS record
                WHERE record.card_id = shared.card_id AND recorded_at >= since AND record.measured_at >= since
            )
            FROM shared WHERE since > began_at
            """,
            [
                array(growth.card_id for growth, _ in corrected),
                array(growth.began_at for growth, _ in corrected),
                array(growth.measured_at for growth, _ in corrected),
                array(main.starts_at for _, main in corrected),
                array(main.is_own for _, main in corrected),
            ],
        )
        return dict(cursor.fetchall())


def _write(changed: Sequence[Allowance]) -> None:
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_subscription AS subscription
            SET used_mb = new.used_mb, period_start = new.period_start, over_mb = new.over_mb, under_mb = new.under_mb
            FROM unnest(%s::bigint[], %s::numeric[], %s::date[], %s::numeric[], %s::numeric[])
                AS new(id, used_mb, period_start, over_mb, under_mb)
            WHERE subscription.id = new.id
            """,
            [
                array(allowance.id for allowance in changed),
                array(allowance.used_mb for allowance in changed),
                array(allowance.period_start for allowance in changed),
                array(allowance.bounds.over_mb for allowance in changed),
                array(allowance.bounds.under_mb for allowance in changed),
            ],
        )
