"""Checks that must pass after any fault. They use the simulator's record, not the engine's counters."""

from contextlib import suppress
from datetime import datetime

from redis.exceptions import RedisError

from polling.schedule import keys
from polling.schedule.schedule import Schedule
from tests.faults.conftest import Stack

CHECK_TYPE = "carddata"
COUNT_WANTED = (
    "SELECT count(*) FROM cards_card WHERE enable_polling AND deleted_at IS NULL "
    "AND (status = 3 OR (status = 2 AND category = 'industry'))"
)
COUNT_CHECKED = (
    f"SELECT count(*) FROM cards_checkstate WHERE type = '{CHECK_TYPE}' AND checked_at IS NOT NULL"
)
READINGS = (
    "SELECT card.iccid, record.measured_at, record.raw_mb FROM cards_usagerecord record "
    "JOIN cards_card card ON card.id = record.card_id"
)
METERS = (
    "SELECT card.iccid, meter.measured_at, meter.raw_mb FROM cards_cardusage meter "
    "JOIN cards_card card ON card.id = meter.card_id"
)
# All readings are in one billing cycle, so a lifetime counter's usage is its growth since the first reading.
WRONG_METERS = """
    SELECT card.iccid, meter.used_mb, meter.raw_mb, first.raw_mb FROM cards_cardusage meter
    JOIN cards_card card ON card.id = meter.card_id JOIN carriers_carrier carrier ON carrier.id = card.carrier_id
    CROSS JOIN LATERAL (
        SELECT raw_mb FROM cards_usagerecord WHERE card_id = card.id ORDER BY measured_at LIMIT 1
    ) AS first
    WHERE meter.used_mb <> meter.raw_mb - CASE carrier.counter WHEN 'lifetime' THEN first.raw_mb ELSE 0 END
"""


def count_wanted(stack: Stack) -> int:
    """Return the number of cards that want the data usage check."""
    return int(stack.rows(COUNT_WANTED)[0][0])


def count_checked(stack: Stack) -> int:
    """Return the number of cards whose data usage check was answered at least once."""
    return int(stack.rows(COUNT_CHECKED)[0][0])


def cards_read_since(stack: Stack, moment: datetime) -> set[int]:
    """Return the ids of the cards whose data usage check was last answered after `moment`."""
    query = (
        f"SELECT card_id FROM cards_checkstate "
        f"WHERE type = '{CHECK_TYPE}' AND checked_at > '{moment.isoformat()}'"
    )
    return {card for (card,) in stack.rows(query)}


def claimed_iccids(stack: Stack) -> set[str]:
    """Return the ICCIDs of the cards in flight."""
    ids = ",".join(str(card) for card in stack.redis.hkeys(keys.claims(CHECK_TYPE)))
    return {iccid for (iccid,) in stack.rows(f"SELECT iccid FROM cards_card WHERE id = ANY('{{{ids}}}')")}


def polled_since(stack: Stack, moment: datetime) -> dict[str, datetime]:
    """Return a dict from ICCID to the end of the last call about the card.

    Only calls that began after `moment` count.
    """
    return {
        iccid: datetime.fromisoformat(call["end"])
        for call in stack.calls_since(moment)
        for iccid in call["cards"]
    }


def seconds_to_resume(stack: Stack, moment: datetime) -> float:
    """Keep making cards due until a call begins. Return the seconds from `moment` to the first call."""
    due_cards = [int(str(card)) for card in stack.redis.zrange(keys.queue(CHECK_TYPE), 0, 20)]

    def make_due_and_look_for_calls() -> bool:
        with suppress(RedisError):
            Schedule(stack.redis, CHECK_TYPE).hasten([(card_id, 0.0) for card_id in due_cards])
        return bool(stack.calls_since(moment))

    stack.wait_until(make_due_and_look_for_calls, seconds=40, what="checks resume")
    first = min(datetime.fromisoformat(call["start"]) for call in stack.calls_since(moment))
    return (first - moment).total_seconds()


def invariant_holds(stack: Stack) -> bool:
    """Return whether the invariant `scheduled + parked = wanted` is true for the data usage check."""
    scheduled, parked = stack.redis.zcard(keys.queue(CHECK_TYPE)), stack.redis.zcard(keys.parked(CHECK_TYPE))
    return scheduled + parked == count_wanted(stack)


def assert_stored_values_match_carriers(stack: Stack) -> None:
    """Assert that every stored reading and meter equals the carrier's value at the time of measurement."""
    for query in (READINGS, METERS):
        rows = stack.rows(query)
        assert rows
        for iccid, measured_at, megabytes in rows:
            truth = stack.simulator.truth(iccid, measured_at)["used_mb"]
            assert str(megabytes) == truth, (query, iccid, measured_at, megabytes, truth)
    assert stack.rows(WRONG_METERS) == []
