"""Cards, and what belongs to them, in the admin."""

from cards.admin import cards, devices, history, plans

__all__ = ["cards", "devices", "history", "plans"]
