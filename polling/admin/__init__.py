"""The admin pages of polling. Importing this package imports every module, which registers its pages."""

from polling.admin import census, configs, explanation, history, limits, parked, pauses, triggers

__all__ = ["census", "configs", "explanation", "history", "limits", "parked", "pauses", "triggers"]
