"""Polling in the admin."""

from polling.admin import census, configs, explanation, history, limits, parked, pauses, triggers

__all__ = ["census", "configs", "explanation", "history", "limits", "parked", "pauses", "triggers"]
