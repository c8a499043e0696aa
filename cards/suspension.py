"""Service orders: suspensions are proposed here, from what the quotas say. None is carried out yet."""

import json
from collections.abc import Mapping
from datetime import datetime

import structlog
from django.db import connection

from cards.quota import State
from cards.quota_states import Judgement

log = structlog.get_logger(__name__)


def propose(judgements: Mapping[int, Judgement], *, now: datetime) -> list[int]:
    """Propose to suspend the cards (card id -> judgement) that are over; returns the ids of those that were new.

    One order for each card, period and quota version, however often it is proposed. Cards that are stopped already,
    exempt, or on a plan that suspends nobody have none.
    """
    over = {card: judged for card, judged in judgements.items() if judged.state is State.OVER}
    if not over:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cards_serviceorder (card_id, subscription_id, action, reason, cycle_start, quota_version,
                                            status, idempotency_key, evidence, attempts, error, created_at)
            SELECT card.id, main.id, 'suspend', 'quota', wanted.cycle_start, main.quota_version,
                   'proposed', gen_random_uuid(),
                   wanted.evidence || jsonb_build_object('auto_suspend', plan.auto_suspend), 0, '', %(now)s
            FROM unnest(%(cards)s::bigint[], %(mains)s::bigint[], %(cycles)s::date[], %(evidence)s::jsonb[])
                AS wanted(card_id, main_id, cycle_start, evidence)
            JOIN cards_card AS card ON card.id = wanted.card_id
            JOIN accounts_agent AS agent ON agent.id = card.agent_id
            JOIN cards_subscription AS main ON main.id = wanted.main_id
            JOIN cards_plan AS plan ON plan.id = main.plan_id
            WHERE card.deleted_at IS NULL AND card.network_status <> 'stopped' AND plan.auto_suspend <> 'off'
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
                "cards": list(over),
                "mains": [judged.main.id for judged in over.values()],
                "cycles": [judged.main.period_start for judged in over.values()],
                "evidence": [_evidence(judged) for judged in over.values()],
            },
        )
        proposed = [card_id for (card_id,) in cursor.fetchall()]
    if proposed:
        log.info("suspensions_proposed", orders=len(proposed))
    return proposed


def _evidence(judged: Judgement) -> str:
    balance = judged.balance
    return json.dumps({"used_mb": str(balance.used_mb), "allowance_mb": str(balance.allowance_mb)})
