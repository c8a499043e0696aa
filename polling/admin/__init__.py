"""Polling in the admin."""

from polling.admin import configs, history, limits, parked

__all__ = ["configs", "history", "limits", "parked"]
