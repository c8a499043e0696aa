"""The configs and limits that a new system starts with."""

from collections.abc import Mapping
from typing import Any

from polling.models import ConcurrencyLimit, PollingConfig, TaskType

HALF_AN_HOUR = 1800
SIX_HOURS = 21_600

CONFIGS: tuple[Mapping[str, Any], ...] = (
    {
        "name": "Suspended",
        "priority": 10,
        "card_condition": PollingConfig.CardCondition.SUSPENDED,
        "realname_check_interval": SIX_HOURS,
        "carddata_check_interval": SIX_HOURS,
        "package_check_interval": SIX_HOURS,
    },
    {
        "name": "Industry",
        "priority": 20,
        "card_category": PollingConfig.CardCategory.INDUSTRY,
        "realname_check_interval": 0,
        "carddata_check_interval": HALF_AN_HOUR,
        "package_check_interval": HALF_AN_HOUR,
    },
    {
        "name": "Not real-named",
        "priority": 30,
        "card_condition": PollingConfig.CardCondition.NOT_REAL_NAME,
        "realname_check_interval": 60,
    },
    {
        "name": "Real-named",
        "priority": 40,
        "card_condition": PollingConfig.CardCondition.REAL_NAME,
        "realname_check_interval": 3600,
    },
    {
        "name": "Activated",
        "priority": 50,
        "card_condition": PollingConfig.CardCondition.ACTIVATED,
        "carddata_check_interval": HALF_AN_HOUR,
        "package_check_interval": HALF_AN_HOUR,
    },
)
# The number of slots for each task type. A slot allows one call to a gateway. The package check calls no
# gateway, so its slot allows one batch of cards.
LIMITS: Mapping[str, int] = {
    TaskType.REAL_NAME: 50,
    TaskType.DATA_USAGE: 50,
    TaskType.PACKAGE: 4,
    TaskType.STOP_START: 20,
}


def make_missing() -> None:
    """Create missing limits, and create the default configs if there are no configs at all.

    A default config that an operator has deleted therefore stays deleted while other configs exist.
    """
    for task_type, limit in LIMITS.items():
        ConcurrencyLimit.objects.get_or_create(task_type=task_type, defaults={"max_concurrency": limit})
    if not PollingConfig.objects.exists():
        PollingConfig.objects.bulk_create(PollingConfig(**fields) for fields in CONFIGS)
