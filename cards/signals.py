"""The signal that cards have changed, so that receivers update everything that they derive from cards."""

from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.dispatch import Signal

# Sent on commit with `card_ids`, a list. Bulk writes do not send Django's `post_save`, so it is not enough.
cards_changed = Signal()


def send_on_commit(card_ids: Sequence[int]) -> None:
    """Send `cards_changed` once with all ids when the transaction commits, or nothing if there are no ids.

    If one receiver fails, the others still receive the signal.
    """
    if card_ids:
        transaction.on_commit(partial(cards_changed.send_robust, sender=None, card_ids=list(card_ids)))
