"""The signal `cards_changed`. Its receivers update everything that they derive from the changed cards."""

from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.dispatch import Signal

# Sent on commit, with the list `card_ids`. Django's `post_save` is not enough: bulk writes do not send it.
cards_changed = Signal()


def send_on_commit(card_ids: Sequence[int]) -> None:
    """Send `cards_changed` once with all ids when the transaction commits.

    If there are no ids, send nothing. If one receiver fails, the others still receive the signal.
    """
    if card_ids:
        transaction.on_commit(partial(cards_changed.send_robust, sender=None, card_ids=list(card_ids)))
