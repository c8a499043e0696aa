"""How much the configs ask for: checks and calls a second, per check type and gateway. Pure: it counts classes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cards.models import CheckType
from carriers.models import Gateway
from polling.checks.base import GatewayCheck
from polling.checks.registry import CHECKS
from polling.models import PollingConfig
from polling.policy.card_reader import Group
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.matching import interval_for


@dataclass(frozen=True)
class Demand:
    """What one check type asks for. `gateway` None: nobody is asked, or the carrier has no gateway."""

    check_type: CheckType
    gateway: Gateway | None
    cards: int = 0
    checks_per_second: float = 0.0

    @property
    def calls_per_second(self) -> float | None:
        """When every call is full; None: nobody is called."""
        return self.checks_per_second / self.gateway.batch_size if self.gateway else None

    @property
    def is_too_much(self) -> bool:
        """Whether its gateway does not take so many calls a second, even without any other check."""
        allowed = self.gateway.calls_per_second if self.gateway else None
        return bool(allowed and (self.calls_per_second or 0) > allowed)


def demand(
    cards: Mapping[Group, int], configs: Sequence[PollingConfig], snapshot: ConfigSnapshot
) -> list[Demand]:
    """What `configs` ask for, of a fleet with so many cards in each group; in the order of types and gateways."""
    counted: dict[tuple[CheckType, Gateway | None], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for (card, gateway_id), count in cards.items():
        for check_type, check in CHECKS.items():
            interval = interval_for(card, check_type, configs)
            if interval:
                is_asked = isinstance(check, GatewayCheck)
                gateway = snapshot.gateway_of(gateway_id, card.carrier_id) if is_asked else None
                key = check_type, gateway
                so_far, rate = counted[key]
                counted[key] = so_far + count, rate + count / interval.total_seconds()
    order = list(CHECKS)
    found = [Demand(*key, *amounts) for key, amounts in counted.items()]
    return sorted(
        found, key=lambda one: (order.index(one.check_type), one.gateway.name if one.gateway else "")
    )
