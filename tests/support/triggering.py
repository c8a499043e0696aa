"""What tests of manual triggers share."""

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
from polling.planning.seed import Seeding
from polling.schedule import keys
from polling.triggers import triggering
from polling.triggers.choosing import Wanted
from tests.factories import UserFactory
from tests.support.draining import TYPE

USAGE = CheckType.DATA_USAGE


def ask_for(*cards: Card, user: Any = None, check_type: CheckType = USAGE) -> ManualTrigger:
    """As an operator does: one card, or several."""
    kind = ManualTrigger.Kind.SINGLE if len(cards) == 1 else ManualTrigger.Kind.BATCH
    asker = user or UserFactory.create(role="operator")
    wanted = Wanted(kind, card_ids=[card.pk for card in cards])
    return triggering.trigger(asker, check_type, wanted, now=timezone.now())


def results_of(trigger: ManualTrigger, cards: Sequence[Card]) -> list[tuple[str, str]]:
    """What became of each card."""
    rows = {item.card_id: (item.status, item.result) for item in ManualItem.objects.filter(trigger=trigger)}
    return [rows[card.pk] for card in cards]


def state_of(trigger: ManualTrigger) -> tuple[str, int, int]:
    """Its status, and how many cards are done and failed."""
    trigger.refresh_from_db()
    return trigger.status, trigger.done, trigger.failed


def not_due(redis: Redis, *cards: Card) -> None:
    """They have been read, and are due in an hour."""
    Seeding(redis).run()
    redis.zadd(keys.queue(TYPE), {str(card.pk): time.time() + 3600 for card in cards})


def asked(simulator: RunningSimulator) -> list[str]:
    """Every card that the gateway was asked about, as often as it was."""
    return [iccid for call in simulator.calls() for iccid in call["cards"]]


def run(redis: Redis, runtime: WorkerRuntime) -> None:
    """Drain until nothing is due, by the schedule as it is."""
    Drain(redis, runtime, Random(1)).run()
