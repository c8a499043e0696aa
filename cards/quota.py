"""Decide whether a quota is used up. Pure; all amounts are megabytes (10^6 bytes)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cards.models import Subscription
from cards.usage_allocation import Allowance

State = Subscription.State
NEAR_SHARE: Final = Decimal("0.95")


@dataclass(frozen=True)
class Balance:
    """The usage of a card's subscriptions, and how much they allow.

    Example::

        Balance(used_mb=Decimal(960), allowance_mb=Decimal(1000)).state  # State.NEAR
    """

    used_mb: Decimal
    allowance_mb: Decimal

    @classmethod
    def of(cls, allowances: Sequence[Allowance]) -> "Balance":
        """Add up `allowances`. An add-on counts with its whole quota for as long as it lasts."""
        used = sum((allowance.used_mb for allowance in allowances), Decimal(0))
        return cls(used, sum((allowance.allowance_mb for allowance in allowances), Decimal(0)))

    @property
    def state(self) -> State:
        """OVER above 100 %, NEAR from 95 %. Zero usage is NORMAL, even with a quota of 0."""
        if self.used_mb > self.allowance_mb:
            return State.OVER
        is_near = self.used_mb and self.used_mb >= self.allowance_mb * NEAR_SHARE
        return State.NEAR if is_near else State.NORMAL
