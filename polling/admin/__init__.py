"""Polling in the admin."""

from polling.admin import configs, explanation, history, limits, parked

__all__ = ["configs", "explanation", "history", "limits", "parked"]
