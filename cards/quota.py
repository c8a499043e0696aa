"""Decide whether a quota is used up, without I/O. All amounts are megabytes (10^6 bytes)."""

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
    """The total usage and the total allowance of a card's subscriptions.

    Example::

        Balance(used_mb=Decimal(960), allowance_mb=Decimal(1000)).state  # State.NEAR
    """

    used_mb: Decimal
    allowance_mb: Decimal

    @classmethod
    def of(cls, allowances: Sequence[Allowance]) -> "Balance":
        """Return the totals of `allowances`. An add-on contributes its full quota until it ends."""
        used = sum((allowance.used_mb for allowance in allowances), Decimal(0))
        return cls(used, sum((allowance.allowance_mb for allowance in allowances), Decimal(0)))

    @property
    def state(self) -> State:
        """OVER if usage exceeds the allowance, NEAR if usage is at least 95 % of it, otherwise NORMAL.

        Zero usage is always NORMAL, even with an allowance of 0.
        """
        if self.used_mb > self.allowance_mb:
            return State.OVER
        is_near = self.used_mb and self.used_mb >= self.allowance_mb * NEAR_SHARE
        return State.NEAR if is_near else State.NORMAL
