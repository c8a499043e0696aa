"""Why a card is checked as it is: the config that decides, and when it is due."""

from dataclasses import dataclass

from redis import Redis

from cards.models import Card, CheckState, CheckType
from polling.checks.registry import CHECKS
from polling.matching import CLASS_FIELDS, CardClass, Decision, decide
from polling.models import PollingConfig
from polling.store.schedule import Place, Schedule


@dataclass(frozen=True)
class Explanation:
    """One check of one card. `place` None: nobody could be asked; `state` None: never checked."""

    check_type: CheckType
    decision: Decision
    place: Place | None
    state: CheckState | None


def explain(card: Card, redis: Redis | None) -> list[Explanation]:
    """Explain each check of a card; without Redis all but its place in the schedule."""
    card_class = CardClass(*(getattr(card, field) for field in CLASS_FIELDS))
    configs = tuple(PollingConfig.objects.in_force())
    states = {state.type: state for state in CheckState.objects.filter(card=card)}
    return [
        Explanation(
            check_type,
            decide(card_class, check_type, configs),
            Schedule(redis, check_type).place_of(card.pk) if redis else None,
            states.get(check_type.value),
        )
        for check_type in CHECKS
    ]
