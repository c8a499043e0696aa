"""What apps above `cards` contribute to the admin of a card: panels on its page, and actions on the list.

`cards` may not import these apps, so each of them registers its parts from its own admin module.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest

from cards.models import Card

Panel = Callable[[Card], Any]
CardAction = Callable[[Any, HttpRequest, QuerySet[Card]], Any]
_PANELS: Final[list[Panel]] = []
_ACTIONS: Final[list[CardAction]] = []


def add_panel(panel: Panel) -> None:
    """Show the result of `panel(card)` on the page of an existing card, labelled by its `short_description`.

    Example::

        @admin.display(description=_("checks"))
        def checks(card: Card) -> SafeString: ...

        extensions.add_panel(checks)
    """
    _PANELS.append(panel)


def panels() -> tuple[Panel, ...]:
    """Return all panels in the order of their registration."""
    return tuple(_PANELS)


def add_actions(actions: Sequence[CardAction]) -> None:
    """Offer `actions`, functions decorated with `admin.action`, on the list of cards."""
    _ACTIONS.extend(actions)


def actions() -> tuple[CardAction, ...]:
    """Return all contributed actions in the order of their registration."""
    return tuple(_ACTIONS)
