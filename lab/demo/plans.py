"""Creates the demo fleet's plans, and chooses a plan by usage."""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal

from cards.models import Plan, PlanCycle
from lab.simulator.fleet import MAX_MONTHLY_MB

_MONTHLY: tuple[tuple[str, int, int | None], ...] = (
    ("Mini", 100, None),
    ("Small", 500, None),
    ("Medium", 1000, 950),
    ("Large", 2500, 2400),
    ("Shared", 2 * MAX_MONTHLY_MB + 500, None),
)


def ensure() -> list[Plan]:
    """Create missing plans; return the monthly plans, smallest first, followed by the 90-day plan."""
    plans = [
        Plan.objects.get_or_create(
            code=name.lower(),
            defaults={
                "name": name,
                "quota_mb": quota,
                "virtual_quota_mb": virtual,
                "auto_suspend": Plan.AutoSuspend.SHADOW if virtual else Plan.AutoSuspend.ON,
            },
        )[0]
        for name, quota, virtual in _MONTHLY
    ]
    quarter, _ = Plan.objects.get_or_create(
        code="quarter",
        defaults={
            "name": "Quarter",
            "quota_mb": 5 * MAX_MONTHLY_MB,
            "cycle": PlanCycle.DAYS_90,
            "auto_suspend": Plan.AutoSuspend.ON,
        },
    )
    return [*plans, quarter]


def fitting(plans: Sequence[Plan], monthly_mb: int) -> Plan:
    """Return the smallest of the `plans` whose quota covers `monthly_mb`, or the largest if none does.

    `plans` must be monthly plans in ascending order of their quotas.
    """
    quotas = [Decimal(plan.virtual_quota_mb or plan.quota_mb) for plan in plans]
    return plans[min(bisect_left(quotas, monthly_mb), len(plans) - 1)]
