"""Which cards somebody wants to have checked at once. What he may not see is not there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import RawSQL

from accounts.models import Agent
from cards.models import Card, CheckType
from cards.models.card import CardQuerySet
from common.arrays import array
from common.errors import DomainError
from polling.checks.registry import CHECKS
from polling.models import ManualItem, ManualTrigger
from polling.policy import card_reader

MAX_CARDS = 1000
# So many times a thousand cards are looked at for a thousand that the check is made of.
LOOKS = 10


@dataclass(frozen=True)
class Condition:
    """All that is given must hold; `agent_id` stands for the agent's whole tree."""

    status: int | None = None
    carrier_id: int | None = None
    card_category: str | None = None
    agent_id: int | None = None
    device_id: int | None = None

    def given(self) -> dict[str, Any]:
        """What is given, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Wanted:
    """Cards by their ids or by a condition."""

    kind: ManualTrigger.Kind
    card_ids: Sequence[int] = ()
    condition: Condition = Condition()


@dataclass(frozen=True)
class Chosen:
    """The cards that the check is made of, and how many were named that it is not made of."""

    cards: list[int]
    left_out: int


def choose(user: Any, check_type: CheckType, wanted: Wanted) -> Chosen:
    """The cards of `wanted` that `user` may see. Raises DomainError for one card that cannot be checked.

    Of those that meet a condition and do not wait for the check, the thousand with the smallest ids.
    """
    cards = Card.objects.present().visible_to(user)
    if wanted.kind is ManualTrigger.Kind.BY_CONDITION:
        return _first(check_type, _meeting(user, cards, wanted.condition))
    # As one array: a thousand parameters take longer to put together than to look up.
    ids = RawSQL("SELECT unnest(%s::bigint[])", [array(wanted.card_ids)])
    named = list(cards.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    reasons = _reasons(check_type, named)
    if wanted.kind is ManualTrigger.Kind.SINGLE:
        _refuse(wanted.card_ids[0], reasons)
    able = sorted(card for card, reason in reasons.items() if not reason)
    return Chosen(able, len(set(wanted.card_ids)) - len(able))


def _first(check_type: CheckType, cards: QuerySet[Card]) -> Chosen:
    waiting = ManualItem.objects.queued(check_type).filter(card=OuterRef("pk"))
    cards = cards.exclude(Exists(waiting)).order_by("pk")
    able, seen, after = list[int](), 0, 0
    for _ in range(LOOKS):
        found = list(cards.filter(pk__gt=after).values_list("pk", flat=True)[:MAX_CARDS])
        reasons = _reasons(check_type, found)
        able += sorted(card for card, reason in reasons.items() if not reason)
        seen += len(found)
        if len(found) < MAX_CARDS or len(able) >= MAX_CARDS:
            break
        after = found[-1]
    return Chosen(able[:MAX_CARDS], seen - len(able))


def _meeting(user: Any, cards: CardQuerySet, condition: Condition) -> QuerySet[Card]:
    given = condition.given()
    lookups = {"category" if name == "card_category" else name: value for name, value in given.items()}
    if agent_id := lookups.pop("agent_id", None):
        agent = Agent.objects.visible_to(user).filter(pk=agent_id).first()
        if agent is None:
            return cards.none()
        cards = cards.within_tree(agent.path)
    return cards.filter(**lookups)


def _reasons(check_type: CheckType, cards: Collection[int]) -> dict[int, str]:
    """Card -> why the check is not made of it; empty: it is. Those that there are not are left out."""
    check = CHECKS[check_type]
    return {card: check.unwanted_reason(group.profile) for card, group in card_reader.rows_of(cards)}


def _refuse(card_id: int, reasons: Mapping[int, str]) -> None:
    if card_id not in reasons:
        raise DomainError("There is no such card.", code="card_not_found", status=404)
    if reasons[card_id]:
        raise DomainError(
            f"This check is not made of the card: {reasons[card_id]}.", code="check_not_wanted", status=409
        )
