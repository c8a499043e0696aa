"""The admin pages for cards and for the rows that belong to cards."""

from cards.admin import cards, devices, history, plans

__all__ = ["cards", "devices", "history", "plans"]
