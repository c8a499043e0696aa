"""Register the admin pages of polling: importing this package imports them."""

from polling.admin import census, configs, explanation, history, limits, parked, pauses, triggers

__all__ = ["census", "configs", "explanation", "history", "limits", "parked", "pauses", "triggers"]
