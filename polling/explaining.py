"""Why a card is checked as it is: the config that decides, and when it is due."""

from dataclasses import dataclass
from datetime import timedelta

from redis import Redis

from cards.models import Card, CheckState, CheckType
from polling.checks.registry import CHECKS
from polling.drain.directory import Directory
from polling.matching import CLASS_FIELDS, CardClass, Decision, decide
from polling.store.schedule import Place, Schedule


@dataclass(frozen=True)
class Explanation:
    """One check of one card. `place` None: nobody could be asked; `state` None: never checked.

    `opens_in` is the time until its gateway may be called: None is now, zero not known.
    """

    check_type: CheckType
    decision: Decision
    place: Place | None
    opens_in: timedelta | None
    state: CheckState | None


def explain(card: Card, redis: Redis | None) -> list[Explanation]:
    """Explain each check of a card; without Redis all but its place in the schedule."""
    card_class = CardClass(*(getattr(card, field) for field in CLASS_FIELDS))
    directory = Directory.read()
    gateway = directory.gateway_of(card.gateway_id, card.carrier_id)
    states = {state.type: state for state in CheckState.objects.filter(card=card)}
    return [
        Explanation(
            check_type,
            decide(card_class, check_type, directory.configs),
            Schedule(redis, check_type).place_of(card.pk) if redis else None,
            directory.opens_in(gateway, check_type=check_type, carrier_id=card.carrier_id),
            states.get(check_type.value),
        )
        for check_type in CHECKS
    ]
