"""What decides when a card is checked: the configs in force, and whether its gateway may be called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Self

from redis import Redis

from cards.models import CheckType
from carriers.breakers import Breakers
from polling.checks.base import GatewayCheck
from polling.checks.registry import CHECKS
from polling.models import PollingConfig
from polling.policy.card_reader import Group
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.matching import fingerprint, interval_for
from polling.schedule.backoff import WHILE_CLOSED


@dataclass(frozen=True)
class Rules:
    """Configs in the order in which they decide, gateways that are closed, and the carriers' default gateways."""

    configs: tuple[PollingConfig, ...]
    closed: frozenset[int] = frozenset()
    default_gateways: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def in_force(cls, redis: Redis) -> Self:
        """As they are now. Closed is a gateway that is disabled, paused, or whose breaker is open."""
        snapshot = ConfigSnapshot.read()
        rests = Breakers(redis).rests(snapshot.gateways)
        closed = {
            gateway_id
            for gateway_id, gateway in snapshot.gateways.items()
            if snapshot.opens_in(gateway) is not None
        }
        is_open = {gateway_id for gateway_id, rest in rests.items() if rest.is_open}
        return cls(snapshot.configs, frozenset(closed | is_open), snapshot.default_gateways)

    @property
    def fingerprint(self) -> str:
        """The same for rules that decide the same."""
        gateways = f"{sorted(self.closed)} {sorted(self.default_gateways.items())}"
        return sha256((fingerprint(self.configs) + gateways).encode()).hexdigest()

    def hold(self, redis: Redis) -> bool:
        """Whether they still are in force."""
        return type(self).in_force(redis).fingerprint == self.fingerprint

    def interval_for(self, group: Group, check_type: CheckType) -> timedelta | None:
        """How often the schedule has these cards checked; None: not at all.

        Those of a closed gateway are put far away, until it opens: nobody claims them in vain.
        """
        interval = interval_for(group.profile, check_type, self.configs)
        return WHILE_CLOSED if interval and self._is_closed(group, check_type) else interval

    def _is_closed(self, group: Group, check_type: CheckType) -> bool:
        if not self.closed or not isinstance(CHECKS[check_type], GatewayCheck):
            return False
        default = self.default_gateways.get(group.profile.carrier_id)
        return (group.gateway_id or default) in self.closed
