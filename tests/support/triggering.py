"""Helpers for tests of manual triggers."""

import time
from collections.abc import Sequence
from random import Random
from typing import Any

from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckType
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.models import ManualItem, ManualTrigger
from polling.planning.seed import Seeder
from polling.schedule import keys
from polling.triggers import triggering
from polling.triggers.choosing import CardSelection
from tests.factories import UserFactory
from tests.support.draining import TYPE

USAGE = CheckType.DATA_USAGE


def ask_for(*cards: Card, user: Any = None, check_type: CheckType = USAGE) -> ManualTrigger:
    """Trigger a check of one or more cards and return the trigger. By default, a new operator requests it."""
    kind = ManualTrigger.Kind.SINGLE if len(cards) == 1 else ManualTrigger.Kind.BATCH
    requester = user or UserFactory.create(role="operator")
    selection = CardSelection(kind, card_ids=[card.pk for card in cards])
    return triggering.trigger(requester, check_type, selection, now=timezone.now())


def results_of(trigger: ManualTrigger, cards: Sequence[Card]) -> list[tuple[str, str]]:
    """Return a pair (status, result) for each card's item, in the order of `cards`."""
    rows = {item.card_id: (item.status, item.result) for item in ManualItem.objects.filter(trigger=trigger)}
    return [rows[card.pk] for card in cards]


def state_of(trigger: ManualTrigger) -> tuple[str, int, int]:
    """Return the trigger's status, its number of done cards and its number of failed cards."""
    trigger.refresh_from_db()
    return trigger.status, trigger.done, trigger.failed


def not_due(redis: Redis, *cards: Card) -> None:
    """Schedule all cards, and make `cards` due in an hour."""
    Seeder(redis).run()
    redis.zadd(keys.queue(TYPE), {str(card.pk): time.time() + 3600 for card in cards})


def asked_iccids(simulator: RunningSimulator) -> list[str]:
    """Return the ICCIDs in all calls to the gateway. An ICCID appears once for each call that names it."""
    return [iccid for call in simulator.calls() for iccid in call["cards"]]


def run(redis: Redis, runtime: WorkerRuntime) -> None:
    """Drain until no card is due, without seeding the schedule first."""
    Drain(redis, runtime, Random(1)).run()
