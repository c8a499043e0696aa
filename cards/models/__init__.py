"""The database models of the `cards` app."""

from cards.models.card import ICCID_PATTERN, Card, CardQuerySet
from cards.models.check_state import CheckState, CheckType
from cards.models.counters import CounterFinding, CounterSurvey
from cards.models.device import Device
from cards.models.event import CardEvent
from cards.models.exemption import Exemption
from cards.models.order import ServiceOrder
from cards.models.plan import Plan, PlanCycle
from cards.models.subscription import Subscription
from cards.models.usage import CardUsage, UsageRecord

__all__ = [
    "ICCID_PATTERN",
    "Card",
    "CardEvent",
    "CardQuerySet",
    "CardUsage",
    "CheckState",
    "CheckType",
    "CounterFinding",
    "CounterSurvey",
    "Device",
    "Exemption",
    "Plan",
    "PlanCycle",
    "ServiceOrder",
    "Subscription",
    "UsageRecord",
]
