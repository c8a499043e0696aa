"""Scale out: decide how many slots a drain takes, and when it wakes another worker."""

import time
from collections.abc import Callable

import structlog
from redis import Redis

from common.outages import one_line
from polling.schedule.wake_up import WakeUp

WAKE_EVERY_SECONDS = 0.25
# The slots are divided into this many parts. At first, a drain may hold only one part, so that other workers
# find free slots as well.
PARTS = 4
# After this many wake-ups without a response, this drain may hold one more part of the slots.
MAX_UNANSWERED = 2

log = structlog.get_logger(__name__)


def slots_wanted(*, held: int, usage: int, has_work: bool, has_cards: bool, share: int, free: int) -> int:
    """Return how many slots a drain should hold. Pure.

    `held` is the number of slots that the drain holds now, `usage` the number that it used since the last
    tick, and `share` the maximum number that it may hold. `free` is the number of slots that no drain holds.
    It is negative if the limit was lowered below the number of slots held. `has_work` means that cards are
    due, and `has_cards` that the drain has claimed cards, which may still wait for a slot at their gateway.
    """
    if free < 0:
        return max(0, held + free)
    if usage >= held and has_work:
        return max(1, share)
    return max(int(has_work or has_cards), min(held, usage))


class ScaleOut:
    """Wakes another worker when there is more work than this worker can do. `send` sends a wake-up."""

    def __init__(self, redis: Redis, send: Callable[[], object]) -> None:
        self._pending = WakeUp(redis)
        self._send = send
        self._sent_at = 0.0
        self._unanswered = 0
        self._parts = 1
        self._has_handed_over = False

    def share(self, limit: int) -> int:
        """Return how many of `limit` slots this drain may hold."""
        return -(-limit * self._parts // PARTS)

    def wake_another(self) -> None:
        """Wake another worker, because cards are due and slots are free.

        If no other worker responds, none is idle. Then this drain may hold more slots than before.
        """
        if time.monotonic() - self._sent_at < WAKE_EVERY_SECONDS:
            return
        self._sent_at = time.monotonic()
        if self._send_wake_up():
            self._unanswered = 0
            return
        self._unanswered += 1
        if self._unanswered >= MAX_UNANSWERED:
            self._unanswered, self._parts = 0, min(PARTS, self._parts + 1)

    def hand_over(self) -> None:
        """Wake another worker because the time of this drain is up. Only the first call has an effect."""
        if not self._has_handed_over:
            self._has_handed_over = True
            self._send_wake_up()

    def _send_wake_up(self) -> bool:
        """Send a wake-up, unless one is pending; return whether it was sent."""
        if not self._pending.mark():
            return False
        try:
            self._send()
        except Exception as error:
            self._pending.clear()
            reason = one_line(error)
            if reason is None:
                raise
            # Without the broker, this drain continues alone, and beat's next wake-up starts others.
            log.warning("no_wake_up_sent", reason=reason)
            return False
        return True
