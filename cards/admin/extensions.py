"""A registry of the panels and actions that other apps add to the admin page for cards.

`cards` may not import the apps that build on it. Each of those apps registers its panels and actions in its
own admin module.
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
    """Show the result of `panel(card)` on each card's change page, labelled `panel.short_description`.

    Example::

        @admin.display(description=_("checks"))
        def checks(card: Card) -> SafeString: ...

        extensions.add_panel(checks)
    """
    _PANELS.append(panel)


def panels() -> tuple[Panel, ...]:
    """Return all panels, in the order in which they were added."""
    return tuple(_PANELS)


def add_actions(actions: Sequence[CardAction]) -> None:
    """Add `actions` to the change list of cards. Each action is a function decorated with `admin.action`."""
    _ACTIONS.extend(actions)


def actions() -> tuple[CardAction, ...]:
    """Return all added actions, in the order in which they were added."""
    return tuple(_ACTIONS)
