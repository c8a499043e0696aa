"""Decide whether a quota is used up, without I/O. All amounts are megabytes (10^6 bytes)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cards.models import Subscription
from cards.usage_allocation import Allowance
from cards.usage_bounds import EXACT, Bounds

State = Subscription.State
NEAR_SHARE: Final = Decimal("0.95")


@dataclass(frozen=True)
class Balance:
    """The total usage and the total allowance of a card's subscriptions.

    The true usage lies between `used_mb - bounds.over_mb` and `used_mb + bounds.under_mb`. Example::

        Balance(used_mb=Decimal(960), allowance_mb=Decimal(1000)).state  # State.NEAR
    """

    used_mb: Decimal
    allowance_mb: Decimal
    bounds: Bounds = EXACT

    @classmethod
    def of(cls, allowances: Sequence[Allowance], bounds: Bounds = EXACT) -> "Balance":
        """Return the totals of `allowances`. An add-on contributes its full quota until it ends.

        `bounds` are those of the cards' meters.
        """
        bounds = sum((allowance.bounds for allowance in allowances), bounds)
        used = sum((allowance.used_mb for allowance in allowances), Decimal(0))
        return cls(used, sum((allowance.allowance_mb for allowance in allowances), Decimal(0)), bounds)

    @property
    def least_mb(self) -> Decimal:
        """The usage that is certain."""
        return max(Decimal(0), self.used_mb - self.bounds.over_mb)

    @property
    def state(self) -> State:
        """The state that is certain, because it is judged by the least possible usage.

        OVER if usage exceeds the allowance, NEAR if usage is at least 95 % of it, otherwise NORMAL. Zero usage
        is always NORMAL, even with an allowance of 0.
        """
        return self._state_of(self.least_mb)

    @property
    def possible_state(self) -> State | None:
        """The state if the usage is the highest possible; None if it is the same as `state`."""
        possible = self._state_of(self.used_mb + self.bounds.under_mb)
        return None if possible is self.state else possible

    def _state_of(self, used_mb: Decimal) -> State:
        if used_mb > self.allowance_mb:
            return State.OVER
        is_near = used_mb and used_mb >= self.allowance_mb * NEAR_SHARE
        return State.NEAR if is_near else State.NORMAL
