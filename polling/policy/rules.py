"""The rules that decide when a card is checked: the configs in force, and which gateways are closed."""

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
from polling.schedule.backoff import CLOSED_INTERVAL


@dataclass(frozen=True)
class Rules:
    """The configs in force and the closed gateways. Together they decide how often cards are checked.

    A gateway is closed if it is disabled or paused, or if its breaker is open. `closed` contains the ids of
    closed gateways. `configs` are in the order in which they decide. `default_gateways` maps the id of each
    carrier to the id of its default gateway.

    Example::

        rules = Rules.in_force(redis)
        interval = rules.interval_for(group, CheckType.DATA_USAGE)
    """

    configs: tuple[PollingConfig, ...]
    closed: frozenset[int] = frozenset()
    default_gateways: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def in_force(cls, redis: Redis) -> Self:
        """Return the rules that are in force now."""
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
        """Return a hash that changes if the rules change."""
        gateways = f"{sorted(self.closed)} {sorted(self.default_gateways.items())}"
        return sha256((fingerprint(self.configs) + gateways).encode()).hexdigest()

    def is_current(self, redis: Redis) -> bool:
        """Return whether these rules are still in force."""
        return type(self).in_force(redis).fingerprint == self.fingerprint

    def interval_for(self, group: Group, check_type: CheckType) -> timedelta | None:
        """Return the interval at which the cards of a group are scheduled; None if they are not checked.

        For checks that call a gateway, the interval is CLOSED_INTERVAL while the cards' gateway is closed.
        With a shorter interval, workers would claim the cards only to defer them.
        """
        interval = interval_for(group.profile, check_type, self.configs)
        return CLOSED_INTERVAL if interval and self.gateway_of(group, check_type) in self.closed else interval

    def gateway_of(self, group: Group, check_type: CheckType) -> int | None:
        """Return the id of the gateway that the check calls for a group; None if it calls none."""
        if not isinstance(CHECKS[check_type], GatewayCheck):
            return None
        return group.gateway_id or self.default_gateways.get(group.profile.carrier_id)
