"""Reschedule cards as soon as they change, without waiting for a scan."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.dispatch import receiver
from redis import Redis

from cards.models import CheckType
from cards.signals import cards_changed
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.checks.registry import CHECKS
from polling.planning import recount
from polling.planning.planner import Planner
from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule.backoff import phase
from polling.schedule.schedule import Schedule

CHUNK_CARDS = 5_000
# The ramp (the time over which cards fall due) grows with the number of changed cards. At this number, the
# ramp reaches its full length.
FULL_RAMP_CARDS = 10_000


@receiver(cards_changed, dispatch_uid="polling.replan")
def on_cards_changed(card_ids: Sequence[int], **_: Any) -> None:
    """Reschedule the changed cards.

    If Redis is unavailable, the changes in PostgreSQL are kept, and the hourly repair adds missing checks and
    removes unwanted ones.
    """
    with degraded_without_redis("changed cards are not rescheduled yet", cards=len(card_ids)):
        reschedule(for_web(), card_ids)


def reschedule(redis: Redis, card_ids: Sequence[int]) -> None:
    """Schedule the checks that these cards want, and remove their other checks. Parked cards stay parked."""
    recount.cards_changed(redis)
    ramp = timedelta(seconds=settings.POLLING.seed_ramp_seconds) * min(1, len(card_ids) / FULL_RAMP_CARDS)
    planner: Planner | None = None
    # Repeat if the rules have changed in the meantime, because reconciliation may have planned these cards by
    # the new rules, and this loop may have overwritten their new due times.
    while planner is None or not planner.rules.is_current(redis):
        planner = Planner(redis, Rules.in_force(redis), ramp)
        for start in range(0, len(card_ids), CHUNK_CARDS):
            cards = card_ids[start : start + CHUNK_CARDS]
            # Write the census before the schedule, because reconciliation finds cards only if their group
            # has a census row.
            census.record_planned(cards, planner.rules)
            for check_type in CHECKS:
                planner.park(check_type, cards)
            planner.move(CHECKS, cards)
            # The quotas of the cards may have changed, so let the package check find out soon whether they
            # are used up.
            spread = ramp.total_seconds()
            Schedule(redis, CheckType.PACKAGE).hasten([(card, spread * phase(card)) for card in cards])
