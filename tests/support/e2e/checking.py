"""Rounds of checks by the real workers."""

import time
from datetime import UTC, datetime

from tests.faults.conftest import Stack

# A card that was changed in the round before may be planned only now, which puts its check off.
PUT_OFF_AFTER = 8


def check(stack: Stack, check_type: str) -> datetime:
    """Make the real workers check every scheduled card once. Return the time at which the round began."""
    since, began = datetime.now(UTC), time.monotonic()
    stack.make_all_due(check_type)
    put_off: list[set[int]] = []

    def is_done() -> bool:
        left = unchecked(stack, check_type, since)
        if left and not put_off and time.monotonic() - began > PUT_OFF_AFTER:
            put_off.append(left)
            stack.make_due(check_type, left)
        return not left

    stack.wait_until(is_done, seconds=60, what=f"every card has had the check {check_type}")
    return since


def unchecked(stack: Stack, check_type: str, since: datetime) -> set[int]:
    """Return the scheduled cards without an answer after `since`, apart from those whose check fails."""
    checked = stack.rows(
        f"SELECT card_id FROM cards_checkstate WHERE type = '{check_type}' "
        f"AND (checked_at >= '{since.isoformat()}' OR failing_since IS NOT NULL)"
    )
    return stack.scheduled(check_type) - {card for (card,) in checked}
