"""Explain how often a card is checked, which config decides that, and when the card is due."""

from dataclasses import dataclass
from datetime import timedelta

from redis import Redis

from cards.models import Card, CheckState, CheckType
from carriers.breakers import Breakers
from carriers.models import Gateway
from polling.checks.base import Check, GatewayCheck
from polling.checks.card_profile import CardProfile
from polling.checks.registry import CHECKS
from polling.policy import card_reader
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.matching import Decision, decide
from polling.schedule.schedule import Place, Schedule


@dataclass(frozen=True)
class Explanation:
    """An explanation of one check of one card.

    `place` is None without Redis, and `state` is None before the first check. `opens_in` is the time until
    the check may be made: None if it may be made now, zero if the time is unknown.
    """

    check_type: CheckType
    decision: Decision
    place: Place | None
    opens_in: timedelta | None
    state: CheckState | None


def explain(card: Card, redis: Redis | None) -> list[Explanation]:
    """Return an explanation of each check of a card; return an empty list for a deleted card.

    If `redis` is None, the place in the schedule and the state of the breaker are left out.
    """
    rows = card_reader.rows_of([card.pk])
    if not rows:
        return []
    ((_, (profile, _)),) = rows
    snapshot = ConfigSnapshot.read()
    gateway = snapshot.gateway_of(card.gateway_id, card.carrier_id)
    rests = Breakers(redis).rests([gateway.pk]) if redis and gateway else {}
    is_resting = any(rest.is_open for rest in rests.values())
    states = {state.type: state for state in CheckState.objects.filter(card=card)}
    return [
        Explanation(
            check_type,
            decide(profile, check_type, snapshot.configs),
            Schedule(redis, check_type).place_of(card.pk) if redis else None,
            _opens_in(check, profile, gateway, snapshot, is_resting=is_resting),
            states.get(check_type.value),
        )
        for check_type, check in CHECKS.items()
    ]


def _opens_in(
    check: Check, profile: CardProfile, gateway: Gateway | None, snapshot: ConfigSnapshot, *, is_resting: bool
) -> timedelta | None:
    waits = [snapshot.paused_for(check.type, profile.carrier_id)]
    if isinstance(check, GatewayCheck):
        # Zero means unknown, because an open breaker may stay open for any length of time.
        waits.append(timedelta() if is_resting else snapshot.opens_in(gateway))
    known = [wait for wait in waits if wait is not None]
    # If one of the waits is unknown (zero), the result is unknown as well.
    return min(known) if timedelta() in known else max(known, default=None)
