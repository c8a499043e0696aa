"""The database models of the `polling` app."""

from polling.models.census import ClassCensus
from polling.models.config import MIN_INTERVAL_SECONDS, PollingConfig, validate_interval
from polling.models.limit import ConcurrencyLimit, TaskType
from polling.models.minute_stat import MinuteStat
from polling.models.parked import ParkedCheck
from polling.models.pause import Pause
from polling.models.trigger import ManualItem, ManualTrigger

__all__ = [
    "MIN_INTERVAL_SECONDS",
    "ClassCensus",
    "ConcurrencyLimit",
    "ManualItem",
    "ManualTrigger",
    "MinuteStat",
    "ParkedCheck",
    "Pause",
    "PollingConfig",
    "TaskType",
    "validate_interval",
]
