"""The load that configs cause: checks and calls per second, by check type and gateway. Pure."""

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
    """The load of one check type at one gateway.

    `gateway` is None if the check calls no gateway, or if the cards have no gateway.
    """

    check_type: CheckType
    gateway: Gateway | None
    cards: int = 0
    checks_per_second: float = 0.0

    @property
    def calls_per_second(self) -> float | None:
        """Return the calls per second if every call has a full batch of cards; None without a gateway."""
        return self.checks_per_second / self.gateway.batch_size if self.gateway else None

    @property
    def is_too_much(self) -> bool:
        """Return whether this check alone needs more calls per second than the gateway allows."""
        allowed = self.gateway.calls_per_second if self.gateway else None
        return bool(allowed and (self.calls_per_second or 0) > allowed)


def demand(
    cards: Mapping[Group, int], configs: Sequence[PollingConfig], snapshot: ConfigSnapshot
) -> list[Demand]:
    """Return the load that `configs` cause, sorted by check type and then by gateway name.

    `cards` maps each group to its number of cards.
    """
    totals: dict[tuple[CheckType, Gateway | None], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for (profile, gateway_id), count in cards.items():
        for check_type, check in CHECKS.items():
            interval = interval_for(profile, check_type, configs)
            if interval:
                calls_gateway = isinstance(check, GatewayCheck)
                gateway = snapshot.gateway_of(gateway_id, profile.carrier_id) if calls_gateway else None
                key = check_type, gateway
                total, rate = totals[key]
                totals[key] = total + count, rate + count / interval.total_seconds()
    order = list(CHECKS)
    loads = [Demand(*key, *amounts) for key, amounts in totals.items()]
    return sorted(
        loads, key=lambda load: (order.index(load.check_type), load.gateway.name if load.gateway else "")
    )
