"""The admin of cards and of the rows that belong to them."""

from cards.admin import cards, devices, history, plans

__all__ = ["cards", "devices", "history", "plans"]
