"""The admin pages of polling. Importing this package registers all of them."""

from polling.admin import census, configs, explanation, gateways, history, limits, parked, pauses, triggers

__all__ = [
    "census",
    "configs",
    "explanation",
    "gateways",
    "history",
    "limits",
    "parked",
    "pauses",
    "triggers",
]
