"""What tests of manual triggers share."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from cards.models import Card, CheckType
from polling.manual import triggering
from polling.manual.choosing import Wanted
from polling.models import ManualItem, ManualTrigger
from tests.factories import UserFactory

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
