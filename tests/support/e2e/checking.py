"""Rounds of checks by the real workers."""

from datetime import UTC, datetime

from polling.schedule import keys
from tests.faults.conftest import Stack

# A claimed card is due at the end of its claim, in a minute at most. Later ones have been checked or put off.
LATER_SECONDS = 120


def check(stack: Stack, check_type: str) -> datetime:
    """Make the real workers check every scheduled card once. Return the time at which the round began."""
    since = datetime.now(UTC)
    stack.make_all_due(check_type)

    def is_done() -> bool:
        # Read the schedule first. Otherwise a card that is checked in between would be checked twice.
        later = due_later(stack, check_type)
        left = unchecked(stack, check_type, since)
        if put_off := left & later:
            # A card that was changed in the round before may be planned only now, which puts its check off.
            stack.make_due(check_type, put_off)
        return not left

    stack.wait_until(is_done, seconds=120, what=f"every card has had the check {check_type}")
    return since


def unchecked(stack: Stack, check_type: str, since: datetime) -> set[int]:
    """Return the scheduled cards without an answer after `since`, apart from those whose check fails."""
    checked = stack.rows(
        f"SELECT card_id FROM cards_checkstate WHERE type = '{check_type}' "
        f"AND (checked_at >= '{since.isoformat()}' OR failing_since IS NOT NULL)"
    )
    return stack.scheduled(check_type) - {card for (card,) in checked}


def due_later(stack: Stack, check_type: str) -> set[int]:
    """Return the scheduled cards that are neither due nor being checked."""
    earliest = stack.redis.time()[0] + LATER_SECONDS
    return {int(str(card)) for card in stack.redis.zrangebyscore(keys.queue(check_type), earliest, "+inf")}
