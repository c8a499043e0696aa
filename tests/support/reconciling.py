"""Helpers for tests that change configs and look at the effect on the schedule."""

from datetime import timedelta
from typing import cast

from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckState
from polling.models import PollingConfig
from polling.planning import reconcile
from polling.planning.reconcile import Reconciler
from polling.planning.seed import Seeder
from polling.schedule import keys
from tests.factories import CardFactory, CarrierFactory
from tests.support.draining import TYPE


def read_just_now(redis: Redis) -> list[Card]:
    """Create four cards of two carriers, checked a minute ago. Schedule them with a six-hour interval."""
    PollingConfig.objects.create(
        name="Activated", priority=5, card_condition="activated", carddata_check_interval=21_600
    )
    cards = [CardFactory.create() for _ in range(3)]
    cards += [CardFactory.create(carrier=CarrierFactory.create(code="bluepeak"))]
    CheckState.objects.bulk_create(
        CheckState(card=card, type=TYPE, checked_at=timezone.now() - timedelta(minutes=1)) for card in cards
    )
    Seeder(redis).run()
    return cards


def due_in(redis: Redis) -> dict[int, float]:
    now = redis.time()[0]
    found = cast("list[tuple[str, float]]", redis.zrange(keys.queue(TYPE), 0, -1, withscores=True))
    return {int(card_id): due - now for card_id, due in found}


def is_outdated(redis: Redis) -> bool:
    """Return whether a tick would start a reconciliation now."""
    sent: list[bool] = []
    reconcile.watch(redis, send=lambda: sent.append(True))
    return bool(sent)


def run_reconciler(redis: Redis) -> int:
    return Reconciler(redis).run()
