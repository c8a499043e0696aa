"""What must be true whatever has been killed. The truth is the simulator's own, never our counters."""

from contextlib import suppress
from datetime import datetime

from redis.exceptions import RedisError

from polling.schedule import keys
from polling.schedule.schedule import Schedule
from tests.faults.conftest import Stack

TYPE = "carddata"
WANTING = (
    "SELECT count(*) FROM cards_card WHERE enable_polling AND deleted_at IS NULL "
    "AND (status = 3 OR (status = 2 AND category = 'industry'))"
)
CHECKED = f"SELECT count(*) FROM cards_checkstate WHERE type = '{TYPE}' AND checked_at IS NOT NULL"
READINGS = (
    "SELECT card.iccid, record.measured_at, record.raw_mb FROM cards_usagerecord record "
    "JOIN cards_card card ON card.id = record.card_id"
)
NEWEST = (
    "SELECT card.iccid, meter.measured_at, meter.raw_mb FROM cards_cardusage meter "
    "JOIN cards_card card ON card.id = meter.card_id"
)
# All within one cycle, so a lifetime counter has grown by what it shows more than at first.
MISCOUNTED = """
    SELECT card.iccid, meter.used_mb, meter.raw_mb, first.raw_mb FROM cards_cardusage meter
    JOIN cards_card card ON card.id = meter.card_id JOIN carriers_carrier carrier ON carrier.id = card.carrier_id
    CROSS JOIN LATERAL (
        SELECT raw_mb FROM cards_usagerecord WHERE card_id = card.id ORDER BY measured_at LIMIT 1
    ) AS first
    WHERE meter.used_mb <> meter.raw_mb - CASE carrier.counter WHEN 'lifetime' THEN first.raw_mb ELSE 0 END
"""


def wanting(stack: Stack) -> int:
    """Cards that want the check."""
    return int(stack.rows(WANTING)[0][0])


def checked(stack: Stack) -> int:
    """Cards that have a good answer."""
    return int(stack.rows(CHECKED)[0][0])


def read_since(stack: Stack, moment: datetime) -> set[int]:
    """Ids of the cards that have a good answer from after then."""
    query = (
        f"SELECT card_id FROM cards_checkstate WHERE type = '{TYPE}' AND checked_at > '{moment.isoformat()}'"
    )
    return {card for (card,) in stack.rows(query)}


def claimed(stack: Stack) -> set[str]:
    """ICCIDs of the cards in flight."""
    ids = ",".join(str(card) for card in stack.redis.hkeys(keys.claims(TYPE)))
    return {iccid for (iccid,) in stack.rows(f"SELECT iccid FROM cards_card WHERE id = ANY('{{{ids}}}')")}


def asked_since(stack: Stack, moment: datetime) -> dict[str, datetime]:
    """When each card was last answered, of those that were asked after `moment`."""
    return {
        iccid: datetime.fromisoformat(call["end"])
        for call in stack.calls_since(moment)
        for iccid in call["cards"]
    }


def resumed_after(stack: Stack, moment: datetime) -> float:
    """Seconds from `moment` to the first call after it."""
    some_cards = [int(str(card)) for card in stack.redis.zrange(keys.queue(TYPE), 0, 20)]

    def something_is_due_and_asked() -> bool:
        with suppress(RedisError):
            Schedule(stack.redis, TYPE).hasten([(card_id, 0.0) for card_id in some_cards])
        return bool(stack.calls_since(moment))

    stack.wait_until(something_is_due_and_asked, seconds=40, what="checks go on")
    first = min(datetime.fromisoformat(call["start"]) for call in stack.calls_since(moment))
    return (first - moment).total_seconds()


def invariant_holds(stack: Stack) -> bool:
    """Scheduled + parked = cards that want it."""
    scheduled, parked = stack.redis.zcard(keys.queue(TYPE)), stack.redis.zcard(keys.parked(TYPE))
    return scheduled + parked == wanting(stack)


def assert_stored_values_are_the_carriers(stack: Stack) -> None:
    """Every reading, and every card's meter, equals what the carrier had at that moment."""
    for query in (READINGS, NEWEST):
        rows = stack.rows(query)
        assert rows
        for iccid, measured_at, megabytes in rows:
            truth = stack.simulator.truth(iccid, measured_at)["used_mb"]
            assert str(megabytes) == truth, (query, iccid, measured_at, megabytes, truth)
    assert stack.rows(MISCOUNTED) == []
