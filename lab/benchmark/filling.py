"""Fills tables that `generate_cards` leaves empty, such as events, service orders and triggers.

Queries on empty tables would look faster than they are in production. The caller rolls the new rows back.
"""

from django.db import connection

from accounts.models import User

_FILL = """
INSERT INTO cards_cardevent (card_id, at, kind, before, after, cause)
SELECT id, now(), CASE WHEN id % 10 = 0 THEN 'real_name' ELSE 'status' END, '2', '3', 'benchmark'
FROM cards_card WHERE id % 2 = 0;
INSERT INTO cards_serviceorder (card_id, action, reason, status, idempotency_key, evidence, attempts, error,
                                requested_by_id, created_at, ended_at)
SELECT id, 'suspend', 'manual', CASE WHEN id % 1000 = 0 THEN 'held' ELSE 'confirmed' END, gen_random_uuid(), '{}',
       1, '', {user}, now(), CASE WHEN id % 1000 = 0 THEN NULL ELSE now() END
FROM cards_card WHERE id % 20 = 0
ON CONFLICT DO NOTHING;  -- a card with an open order cannot have a second one
INSERT INTO cards_exemption (card_id, reason, owner_id, expires_at)
SELECT id, 'benchmark', {user}, now() + interval '1 day' FROM cards_card WHERE id % 500 = 0;
WITH trigger AS (
    INSERT INTO polling_manualtrigger (id, requester_id, task_type, kind, condition, status, accepted, skipped, done,
                                       failed, created_at)
    VALUES (1, {user}, 'carddata', 'batch', '{}', 'running', 1, 0, 0, 0, now()) RETURNING id
)
INSERT INTO polling_manualitem (trigger_id, card_id, task_type, status, result)
SELECT trigger.id, card.id, 'carddata', CASE WHEN card.id % 100 = 0 THEN 'queued' ELSE 'done' END, ''
FROM trigger, cards_card AS card WHERE card.id % 5 = 0;
UPDATE cards_checkstate SET parked_at = now() WHERE card_id % 2000 = 0;
UPDATE cards_checkstate SET failing_since = now() WHERE card_id % 1000 = 1;
INSERT INTO cards_usagerecord (card_id, recorded_at, measured_at, raw_mb, used_mb, delta_mb)
SELECT id, now(), now(), 1, 1, 0 FROM cards_card WHERE id % 2 = 1;
ANALYZE cards_cardevent, cards_serviceorder, cards_exemption, polling_manualtrigger, polling_manualitem,
        cards_checkstate, cards_usagerecord;
"""


def fill(user: User) -> None:
    """Give every second card an event, every twentieth card a service order, and so on.

    Orders, exemptions and a trigger are attributed to `user`. The caller must roll the transaction back.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FILL.replace("{user}", str(int(user.pk))))
