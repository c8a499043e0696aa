"""How many slots a drain takes, and when it calls for another drain to help."""

import time
from collections.abc import Callable

import structlog
from redis import Redis

from common.outages import one_line
from polling.schedule.wake_up import WakeUp

RECRUIT_SECONDS = 0.25
# A drain begins with a quarter of the slots, so that the other processes find some, too.
PARTS = 4
# So many calls for help without an answer, and this process takes more slots itself.
PATIENCE = 2

log = structlog.get_logger(__name__)


def slots_wanted(*, held: int, pace: int, has_work: bool, has_cards: bool, share: int, free: int) -> int:
    """How many slots a drain is to hold that holds `held` and made `pace` calls at a look. Pure.

    `has_work`: something is due. `has_cards`: it has claimed some, which may wait for a slot at their gateway.
    `share` is what it may hold, `free` what nobody holds: negative when the limit was lowered.
    """
    if free < 0:
        return max(0, held + free)
    if pace >= held and has_work:
        return max(1, share)
    return max(int(has_work or has_cards), min(held, pace))


class ScaleOut:
    """Sends a wake-up when more could be done than this process does."""

    def __init__(self, redis: Redis, send: Callable[[], object]) -> None:
        """`send` sends a wake-up, which another process takes."""
        self._pending = WakeUp(redis)
        self._send = send
        self._sent_at = 0.0
        self._unanswered = 0
        self._parts = 1
        self._has_handed_over = False

    def share(self, limit: int) -> int:
        """How many of `limit` slots this process may hold."""
        return -(-limit * self._parts // PARTS)

    def call_for_help(self) -> None:
        """Cards are due and slots are free. When nobody comes, nobody is idle: then more slots are ours."""
        if time.monotonic() - self._sent_at < RECRUIT_SECONDS:
            return
        self._sent_at = time.monotonic()
        if self._wake_another():
            self._unanswered = 0
            return
        self._unanswered += 1
        if self._unanswered >= PATIENCE:
            self._unanswered, self._parts = 0, min(PARTS, self._parts + 1)

    def hand_over(self) -> None:
        """Wake a successor, once: this drain's time is up."""
        if not self._has_handed_over:
            self._has_handed_over = True
            self._wake_another()

    def _wake_another(self) -> bool:
        """Returns whether a wake-up was sent; none is while one is under way."""
        if not self._pending.mark():
            return False
        try:
            self._send()
        except Exception as error:
            self._pending.clear()
            told = one_line(error)
            if told is None:
                raise
            # Without the broker this drain goes on alone; beat's next wake-up does the rest.
            log.warning("no_wake_up_sent", reason=told)
            return False
        return True
