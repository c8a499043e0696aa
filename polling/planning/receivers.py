"""Cards changed: their places in the schedule change at once, without a walk."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.dispatch import receiver
from redis import Redis

from cards.events import cards_changed
from cards.models import CheckType
from common.redis.client import for_web
from common.redis.degraded import redis_may_be_away
from polling.checks.registry import CHECKS
from polling.planning import recount
from polling.planning.planner import Planner
from polling.policy import census
from polling.policy.rules import Rules
from polling.schedule.backoff import phase
from polling.schedule.schedule import Schedule

CHUNK = 5_000
# A few cards are checked at once; so many as this come over the whole ramp.
CROWD = 10_000


@receiver(cards_changed, dispatch_uid="polling.replan")
def on_cards_changed(card_ids: Sequence[int], **_: Any) -> None:
    """Plan them anew. Without Redis the change stands, and the next walk plans them."""
    with redis_may_be_away("changed cards are not planned anew yet", cards=len(card_ids)):
        replan(for_web(), card_ids)


def replan(redis: Redis, card_ids: Sequence[int]) -> None:
    """Plan those that want checks, take the others out of the schedule; parked ones stay parked."""
    recount.cards_changed(redis)
    ramp = timedelta(seconds=settings.POLLING.seed_ramp_seconds) * min(1, len(card_ids) / CROWD)
    planner: Planner | None = None
    # Rules that change meanwhile are taken in: their own replanning may have passed these cards already.
    while planner is None or not planner.rules.hold(redis):
        planner = Planner(redis, Rules.in_force(redis), ramp)
        for start in range(0, len(card_ids), CHUNK):
            cards = card_ids[start : start + CHUNK]
            # Noted first: whoever finds a reason to plan the class anew must know it.
            census.note(cards, planner.rules)
            for check_type in CHECKS:
                planner.park(check_type, cards)
            planner.move(CHECKS, cards)
            # What changed may be the quota: whether it is used up is judged at once.
            spread = ramp.total_seconds()
            Schedule(redis, CheckType.PACKAGE).hasten([(card, spread * phase(card)) for card in cards])
