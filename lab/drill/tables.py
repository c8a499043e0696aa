"""Compare PostgreSQL and Redis after a drill, with each other and with the simulated carriers."""

from datetime import datetime
from random import Random

import psutil

from cards.models import CheckType
from carriers import limits
from lab.drill.plan import TYPE
from lab.stack.stack import Stack
from polling.models import TaskType
from polling.schedule import keys
from polling.schedule.limits import slots_of

# The cards that want the data-usage check. The join is correct only for the demo fleet, because there every
# card is polled through its carrier's default gateway.
WANTING = """
    SELECT card.id, card.iccid FROM cards_card AS card
    JOIN carriers_gateway AS gateway ON gateway.carrier_id = card.carrier_id AND gateway.is_default
    WHERE enable_polling AND deleted_at IS NULL AND (status = 3 OR (status = 2 AND category = 'industry'))
      AND gateway.base_url NOT LIKE '%/c/{without}'
"""
METERS = """
    SELECT card.iccid, meter.measured_at, meter.raw_mb FROM cards_cardusage AS meter
    JOIN cards_card AS card ON card.id = meter.card_id WHERE meter.measured_at > '{since}'
"""
READINGS = """
    SELECT card.iccid, record.measured_at, record.raw_mb FROM cards_usagerecord AS record
    JOIN cards_card AS card ON card.id = record.card_id WHERE record.measured_at > '{since}'
"""
SAMPLE = 500


def wanting(stack: Stack, *, without: str = "") -> dict[int, str]:
    """Return the cards that want the data-usage check, as a dict from id to ICCID.

    `without` is the code of a carrier whose cards are left out.
    """
    return dict(stack.rows(WANTING.format(without=without)))


def misplaced(stack: Stack) -> int:
    """Return how many cards break this rule about the data-usage check.

    A card that wants the check must be scheduled or parked. Any other card must be neither.
    """
    found = {
        int(str(card))
        for key in (keys.queue(TYPE), keys.parked(TYPE))
        for card in stack.redis.zrange(key, 0, -1)
    }
    return len(found ^ wanting(stack).keys())


def parked(stack: Stack) -> int:
    """Return the number of parked checks of all types."""
    return int(stack.rows("SELECT count(*) FROM cards_checkstate WHERE parked_at IS NOT NULL")[0][0])


def orphaned_slots(stack: Stack) -> int:
    """Return the number of slots, of all task types and gateways, that are held by dead processes."""
    gateways = [gateway_id for (gateway_id,) in stack.rows("SELECT id FROM carriers_gateway")]
    pools = [slots_of(stack.redis, task_type) for task_type in TaskType]
    pools += [limits.slots_of(stack.redis, gateway_id) for gateway_id in gateways]
    held = [found for pool in pools for found in pool.occupancy().holders.items()]
    # Read the processes after the slots, so that a holder that has just started is not taken for dead.
    alive = set(psutil.pids())
    return sum(slots for holder, slots in held if int(holder.split(":")[1]) not in alive)


def claims(stack: Stack) -> tuple[int, int]:
    """Return how many claims were made since Redis was last emptied, and how many of them ran out."""
    made, lost = stack.redis.hmget(keys.counters(TYPE), "claimed", "lost")
    return int(made or 0), int(lost or 0)


def compare_values(stack: Stack, since: datetime, chance: Random) -> tuple[int, int]:
    """Return how many stored values were compared with the carrier's, and how many of them differ.

    The values are a random sample of up to 500 meters and 500 usage records measured after `since`. Each is
    compared with the carrier's value at the time of measurement.
    """
    compared = wrong = 0
    for query in (METERS, READINGS):
        rows = stack.rows(query.format(since=since.isoformat()))
        for iccid, measured_at, megabytes in chance.sample(rows, min(SAMPLE, len(rows))):
            compared += 1
            wrong += stack.simulator.truth(iccid, measured_at)["used_mb"] != str(megabytes)
    return compared, wrong


def recorded_twice(stack: Stack, since: datetime) -> int:
    """Return the number of readings after `since` that the usage history holds more than once."""
    query = f"""
        SELECT count(*) FROM (
            SELECT FROM cards_usagerecord WHERE measured_at > '{since.isoformat()}'
            GROUP BY card_id, measured_at HAVING count(*) > 1
        ) AS twice
    """
    return int(stack.rows(query)[0][0])


def oldest_answer_seconds(stack: Stack, now: datetime, *, begun: datetime, without: str = "") -> float:
    """Return the longest time, in seconds, that a card has waited since its last good answer.

    Time before `begun` does not count. `without` is the code of a carrier whose cards are left out.
    """
    query = f"""
        SELECT extract(epoch FROM '{now.isoformat()}'::timestamptz - min(greatest(checked_at, '{begun.isoformat()}')))
        FROM ({WANTING.format(without=without)}) AS card
        LEFT JOIN cards_checkstate AS state ON state.card_id = card.id AND state.type = '{CheckType.DATA_USAGE.value}'
    """
    return float(stack.rows(query)[0][0])
