"""What other apps show on a card's page: they know of cards, cards does not know of them."""

from collections.abc import Callable
from typing import Any, Final

from cards.models import Card

Panel = Callable[[Card], Any]
_PANELS: Final[list[Panel]] = []


def register(panel: Panel) -> None:
    """Show what `panel` makes of a card, under its `short_description`; called from an app's admin."""
    _PANELS.append(panel)


def registered() -> tuple[Panel, ...]:
    """All panels, in the order in which they came."""
    return tuple(_PANELS)
