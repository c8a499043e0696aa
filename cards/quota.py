"""Whether a quota is used up. Pure; all amounts are megabytes (10^6 bytes)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cards.models import Subscription
from cards.usage_allocation import Account

State = Subscription.State
NEAR_SHARE: Final = Decimal("0.95")


@dataclass(frozen=True)
class Balance:
    """What has been used of what is allowed."""

    used_mb: Decimal
    allowance_mb: Decimal

    @classmethod
    def of(cls, accounts: Sequence[Account]) -> "Balance":
        """Of the accounts in charge together: an add-on counts whole for as long as it lasts."""
        used = sum((account.used_mb for account in accounts), Decimal(0))
        return cls(used, sum((account.allowance_mb for account in accounts), Decimal(0)))

    @property
    def state(self) -> State:
        """Over is above 100 %, near from 95 % on. Who has used nothing is near nothing, also of a quota of 0."""
        if self.used_mb > self.allowance_mb:
            return State.OVER
        is_near = self.used_mb and self.used_mb >= self.allowance_mb * NEAR_SHARE
        return State.NEAR if is_near else State.NORMAL
