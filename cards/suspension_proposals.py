"""Propose service orders to suspend cards that are over their quota. Nothing carries out the orders yet."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import connection

from cards.meter_store import IS_PROVISIONAL
from cards.models import Card, ServiceOrder
from cards.quota import State
from cards.quota_judging import Judgement
from cards.sharing import CARDS_OF_MAIN
from common.arrays import array

log = structlog.get_logger(__name__)
MAX_LOGGED_CARDS: Final = 20

# The SQL condition for a card that must not be suspended, because usage of its main subscription `main` may be a
# mistake. If the usage of another card is provisional, the subscription is over its quota without it. A deleted card
# is not read any more, so its held readings would protect the others for ever.
_IS_DOUBTFUL: Final = f"""EXISTS (
    SELECT FROM {CARDS_OF_MAIN} AS sharing LEFT JOIN cards_cardusage AS meter ON meter.card_id = sharing.id
    WHERE (meter.suspect_since IS NOT NULL AND sharing.deleted_at IS NULL)
        OR (sharing.id = card.id AND {IS_PROVISIONAL})
        OR EXISTS (SELECT FROM cards_counterfinding AS finding WHERE finding.carrier_id = sharing.carrier_id)
)"""


def review(judgements: Mapping[int, Judgement], *, now: datetime) -> list[int]:
    """Cancel outdated proposals, and propose to suspend the cards that are over their quota.

    `judgements` maps card ids to judgements. If a device is over its quota, propose to suspend all activated
    cards that share the device's plan. Make only one proposal for a card per period and quota version, unless
    the earlier order failed or was cancelled. Make no proposal for a card that is already stopped, is exempt,
    has a plan with auto-suspend off, or has a counter that may still restart. Nor is a card proposed in a period
    that a changed calendar makes longer than a month, while readings contradict the meter of a card that shares
    the plan, or while something is wrong with the counters of such a card's carrier.

    Return the ids of the cards with a new order. The caller must hold the locks that `quota_judging.judge`
    takes.
    """
    if not judgements:
        return []
    _cancel_outdated(judgements, now)
    over = {judgement.main.id: judgement for judgement in judgements.values() if _is_over(judgement)}
    proposed = _propose(list(over.values()), now) if over else []
    if proposed:
        log.info("suspensions_proposed", orders=len(proposed), card_ids=sorted(proposed)[:MAX_LOGGED_CARDS])
    return proposed


def cancel_for(subscriptions: Collection[int], *, now: datetime) -> None:
    """Cancel the proposals for ended subscriptions, because no check will review these proposals any more."""
    proposed = ServiceOrder.objects.filter(
        subscription__in=subscriptions, status=ServiceOrder.Status.PROPOSED, reason=ServiceOrder.Reason.QUOTA
    )
    proposed.update(status=ServiceOrder.Status.CANCELLED, ended_at=now, error="the plan has ended")


def _cancel_outdated(judgements: Mapping[int, Judgement], now: datetime) -> None:
    """Cancel proposals for cards that are no longer certainly over the quota of this plan and period.

    A card can have only one open order, so an outdated proposal would block a valid one.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT proposed.id, card.id, {_IS_DOUBTFUL}, main.id, proposed.cycle_start, proposed.quota_version
            FROM cards_serviceorder AS proposed JOIN cards_card AS card ON card.id = proposed.card_id
            JOIN cards_subscription AS main ON main.id = proposed.subscription_id
            WHERE card.id = ANY(%s::bigint[]) AND proposed.status = 'proposed' AND action = 'suspend'
              AND reason = 'quota'
            """,
            [array(judgements)],
        )
        reasons: dict[str, list[int]] = defaultdict(list)
        for order_id, card_id, is_doubtful, *intent in cursor.fetchall():
            if intent != _intent_of(judgements[card_id]):
                reasons["no longer over this quota in this period"].append(order_id)
            elif is_doubtful:
                reasons["the usage is uncertain"].append(order_id)
    for reason, outdated in reasons.items():
        ServiceOrder.objects.filter(pk__in=outdated, status=ServiceOrder.Status.PROPOSED).update(
            status=ServiceOrder.Status.CANCELLED, ended_at=now, error=reason
        )


def _intent_of(judgement: Judgement) -> list[Any] | None:
    """Return the [subscription id, period, quota version] that a proposal must have to be valid.

    Return None if no proposal is valid.
    """
    main = judgement.main
    return [main.id, main.period_start, main.quota_version] if _is_over(judgement) else None


def _is_over(judgement: Judgement) -> bool:
    """Return whether a quota is used up in a period that it was meant for."""
    return judgement.state is State.OVER and not judgement.main.is_stretched


def _propose(over: Sequence[Judgement], now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO cards_serviceorder (card_id, subscription_id, action, reason, cycle_start, quota_version,
                                            status, idempotency_key, evidence, attempts, error, created_at)
            SELECT card.id, main.id, 'suspend', 'quota', wanted.cycle_start, wanted.quota_version,
                   'proposed', gen_random_uuid(),
                   wanted.evidence || jsonb_build_object('auto_suspend', plan.auto_suspend), 0, '', %(now)s
            FROM unnest(%(mains)s::bigint[], %(cycles)s::date[], %(versions)s::int[], %(evidence)s::jsonb[])
                AS wanted(main_id, cycle_start, quota_version, evidence)
            JOIN cards_subscription AS main ON main.id = wanted.main_id
            JOIN cards_plan AS plan ON plan.id = main.plan_id
            CROSS JOIN LATERAL {CARDS_OF_MAIN} AS card
            JOIN accounts_agent AS agent ON agent.id = card.agent_id
            WHERE card.deleted_at IS NULL AND card.enable_polling AND card.status = %(activated)s
              AND card.network_status <> 'stopped' AND plan.auto_suspend <> 'off'
              AND NOT {_IS_DOUBTFUL}
              AND NOT EXISTS (
                SELECT FROM cards_exemption AS exemption
                LEFT JOIN accounts_agent AS exempt ON exempt.id = exemption.agent_id
                WHERE exemption.expires_at > %(now)s
                  AND (exemption.card_id = card.id OR starts_with(agent.path, exempt.path))
              )
            ORDER BY card.id
            ON CONFLICT DO NOTHING
            RETURNING card_id
            """,
            {
                "now": now,
                "activated": Card.Status.ACTIVATED.value,
                "mains": [judgement.main.id for judgement in over],
                "cycles": [judgement.main.period_start for judgement in over],
                "versions": [judgement.main.quota_version for judgement in over],
                "evidence": [_evidence(judgement) for judgement in over],
            },
        )
        return [card_id for (card_id,) in cursor.fetchall()]


def _evidence(judgement: Judgement) -> str:
    balance = judgement.balance
    return json.dumps(
        {
            "used_mb": str(balance.used_mb),
            "least_mb": str(balance.least_mb),
            "allowance_mb": str(balance.allowance_mb),
        }
    )
