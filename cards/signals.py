"""The signal that cards changed: everything that is derived from them must be derived again."""

from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.dispatch import Signal

# Sent on commit with `card_ids`, a list. `post_save` would not do: bulk writes never send it.
cards_changed = Signal()


def send_on_commit(card_ids: Sequence[int]) -> None:
    """Send `cards_changed` once, with all ids, when the transaction commits; send nothing for no ids.

    A receiver that fails does not keep the signal from the others.
    """
    if card_ids:
        transaction.on_commit(partial(cards_changed.send_robust, sender=None, card_ids=list(card_ids)))
