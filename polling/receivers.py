"""Cards changed: their places in the schedule change at once, without a walk."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import structlog
from django.conf import settings
from django.dispatch import receiver
from redis import Redis

from cards.events import cards_changed
from cards.models import CheckState, CheckType
from common.outages import Server, server_of
from common.redis.client import for_web
from polling.checks.registry import CHECKS
from polling.models import PollingConfig
from polling.planning import Planner, Row, rows_of
from polling.store.schedule import PlanMode, Schedule

CHUNK = 5_000
# A few cards are checked at once; so many as this come over the whole ramp.
CROWD = 10_000

log = structlog.get_logger(__name__)


@receiver(cards_changed, dispatch_uid="polling.replan")
def on_cards_changed(card_ids: Sequence[int], **_: Any) -> None:
    """Plan them anew. Without Redis the change stands, and the next walk plans them."""
    try:
        replan(for_web(), card_ids, chance=Random())
    except Exception as error:
        if server_of(error) is not Server.REDIS:
            raise
        log.warning("cards_not_replanned", cards=len(card_ids))


def replan(redis: Redis, card_ids: Sequence[int], *, chance: Random) -> None:
    """Plan those that want checks, take the others out of the schedule; parked ones stay parked."""
    ramp = timedelta(seconds=settings.POLLING.seed_ramp_seconds) * min(1, len(card_ids) / CROWD)
    planner = Planner(redis, tuple(PollingConfig.objects.in_force()), chance, ramp)
    for start in range(0, len(card_ids), CHUNK):
        cards = card_ids[start : start + CHUNK]
        rows = rows_of(cards)
        for check_type in CHECKS:
            _replan(check_type, cards, rows, planner)


def _replan(check_type: CheckType, cards: Sequence[int], rows: Sequence[Row], planner: Planner) -> None:
    states = CheckState.objects.filter(type=check_type, card_id__in=cards)
    known = {
        pk: (checked, parked)
        for pk, checked, parked in states.values_list("card_id", "checked_at", "parked_at")
    }
    schedule = Schedule(planner.redis, check_type)
    # Parked by their rows: one that is enabled again is still not to be checked.
    schedule.park([pk for pk, _ in rows if pk in known and known[pk][1]])
    checked_at = {pk: checked for pk, (checked, _) in known.items() if checked}
    wanted = planner.plan(check_type, rows, checked_at, mode=PlanMode.MOVE)
    schedule.forget([pk for pk in cards if pk not in wanted])
