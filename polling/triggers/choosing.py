"""Choose the cards of a manual trigger. Cards that the user may not see are treated as unknown."""

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
# A search by condition examines at most this many pages of MAX_CARDS cards, to limit the work of one trigger.
MAX_PAGES = 10


@dataclass(frozen=True)
class Condition:
    """The conditions that a card must meet. A field that is None matches every card.

    `agent_id` also matches the cards of all agents below that agent.
    """

    status: int | None = None
    carrier_id: int | None = None
    card_category: str | None = None
    agent_id: int | None = None
    device_id: int | None = None

    def given(self) -> dict[str, Any]:
        """Return field name -> value for the fields that are not None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class CardSelection:
    """The cards that a user asks to check, given either as a list of ids or as a condition.

    Example::

        CardSelection(ManualTrigger.Kind.BATCH, card_ids=[8421, 97])
        CardSelection(ManualTrigger.Kind.BY_CONDITION, condition=Condition(carrier_id=1, status=3))
    """

    kind: ManualTrigger.Kind
    card_ids: Sequence[int] = ()
    condition: Condition = Condition()


@dataclass(frozen=True)
class ChosenCards:
    """The sorted ids of the cards to check, and the number of requested cards that were skipped."""

    cards: list[int]
    skipped: int


def choose(user: Any, check_type: CheckType, selection: CardSelection) -> ChosenCards:
    """Return the cards of `selection` that `user` may see and that can get the check.

    For a condition, leave out cards that already wait for the check, and return at most the MAX_CARDS cards
    with the smallest ids. For a single card, raise DomainError if it is unknown or cannot get the check.
    """
    cards = Card.objects.present().visible_to(user)
    if selection.kind is ManualTrigger.Kind.BY_CONDITION:
        return _first(check_type, _meeting(user, cards, selection.condition))
    # Pass the ids as one array, because preparing a thousand parameters takes longer than the query itself.
    ids = RawSQL("SELECT unnest(%s::bigint[])", [array(selection.card_ids)])
    visible = list(cards.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    reasons = _unwanted_reasons(check_type, visible)
    if selection.kind is ManualTrigger.Kind.SINGLE:
        _require_wanted(selection.card_ids[0], reasons)
    wanted = sorted(card_id for card_id, reason in reasons.items() if not reason)
    return ChosenCards(wanted, len(set(selection.card_ids)) - len(wanted))


def _first(check_type: CheckType, cards: QuerySet[Card]) -> ChosenCards:
    waiting = ManualItem.objects.queued(check_type).filter(card=OuterRef("pk"))
    cards = cards.exclude(Exists(waiting)).order_by("pk")
    wanted, examined, after = list[int](), 0, 0
    for _ in range(MAX_PAGES):
        page = list(cards.filter(pk__gt=after).values_list("pk", flat=True)[:MAX_CARDS])
        reasons = _unwanted_reasons(check_type, page)
        wanted += sorted(card_id for card_id, reason in reasons.items() if not reason)
        examined += len(page)
        if len(page) < MAX_CARDS or len(wanted) >= MAX_CARDS:
            break
        after = page[-1]
    return ChosenCards(wanted[:MAX_CARDS], examined - len(wanted))


def _meeting(user: Any, cards: CardQuerySet, condition: Condition) -> QuerySet[Card]:
    given = condition.given()
    lookups = {"category" if name == "card_category" else name: value for name, value in given.items()}
    if agent_id := lookups.pop("agent_id", None):
        agent = Agent.objects.visible_to(user).filter(pk=agent_id).first()
        if agent is None:
            return cards.none()
        cards = cards.within_tree(agent.path)
    return cards.filter(**lookups)


def _unwanted_reasons(check_type: CheckType, cards: Collection[int]) -> dict[int, str]:
    """Return, by card id, why the card can never get the check ("" if it can). Leave out deleted cards."""
    check = CHECKS[check_type]
    return {card_id: check.unwanted_reason(group.profile) for card_id, group in card_reader.rows_of(cards)}


def _require_wanted(card_id: int, reasons: Mapping[int, str]) -> None:
    if card_id not in reasons:
        raise DomainError("There is no such card.", code="card_not_found", status=404)
    if reasons[card_id]:
        raise DomainError(
            f"The card does not get this check: {reasons[card_id]}.", code="check_not_wanted", status=409
        )
