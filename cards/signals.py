"""The one signal of the project: cards changed, so whatever was worked out from them must be worked out again."""

from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.dispatch import Signal

# Sent on commit with `card_ids`, a list. Not `post_save`: writes of many rows never send that.
cards_changed = Signal()


def tell(card_ids: Sequence[int]) -> None:
    """Send the signal once with all ids when the transaction commits; a receiver that fails hinders no other."""
    if card_ids:
        transaction.on_commit(partial(cards_changed.send_robust, sender=None, card_ids=list(card_ids)))
