"""Explain how often a card is checked, which config decides that, and when the card is due."""

from dataclasses import dataclass
from datetime import timedelta

from redis import Redis

from cards.models import Card, CheckState, CheckType
from carriers.models import Gateway
from polling.checks.base import GatewayCheck
from polling.checks.registry import CHECKS
from polling.policy import card_reader
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.matching import Decision, decide
from polling.schedule.schedule import Place, Schedule


@dataclass(frozen=True)
class Explanation:
    """An explanation of one check of one card.

    `place` is None without Redis, and `state` is None before the first check. `paused_for` is how long the
    check is still paused; None if it is not. `gateway` is the gateway that the check calls; None if it calls none,
    or if the card has none.
    """

    check_type: CheckType
    decision: Decision
    place: Place | None
    paused_for: timedelta | None
    calls_gateway: bool
    gateway: Gateway | None
    state: CheckState | None


def explain(card: Card, redis: Redis | None) -> list[Explanation]:
    """Return an explanation of each check of a card; return an empty list for a deleted card.

    If `redis` is None, the place in the schedule is left out.
    """
    rows = card_reader.rows_of([card.pk])
    if not rows:
        return []
    ((_, (profile, _)),) = rows
    snapshot = ConfigSnapshot.read()
    gateway = snapshot.gateway_of(card.gateway_id, card.carrier_id)
    states = {state.type: state for state in CheckState.objects.filter(card=card)}
    return [
        Explanation(
            check_type,
            decide(profile, check_type, snapshot.configs),
            Schedule(redis, check_type).place_of(card.pk) if redis else None,
            snapshot.paused_for(check_type, profile.carrier_id),
            isinstance(check, GatewayCheck),
            gateway if isinstance(check, GatewayCheck) else None,
            states.get(check_type.value),
        )
        for check_type, check in CHECKS.items()
    ]
