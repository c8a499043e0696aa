"""Polling in the admin."""

from polling.admin import configs, explanation, history, limits, parked, pauses

__all__ = ["configs", "explanation", "history", "limits", "parked", "pauses"]
