"""Searching rows of cards by the beginning of an ICCID."""

from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin, ScopedReadOnlyAdmin
from cards.models import Card

Row = TypeVar("Row", bound=Model)
# Of more cards the rows are looked for the other way round: from the newest row on.
MAX_NAMED = 1000


def by_iccid(user: Any, beginning: str) -> Q:
    """The rows of the cards that `user` may know of, deleted ones too, whose ICCID begins so."""
    cards = Card.objects.known_to(user).filter(iccid__startswith=beginning.strip().upper())
    # Each has an index of its own.
    return Q(card_id__in=named_or_looked_up(cards.present())) | Q(
        card_id__in=named_or_looked_up(cards.deleted())
    )


def named_or_looked_up(rows: QuerySet[Any]) -> Any:
    """The ids of `rows` when they are few: PostgreSQL cannot know how many begin with a prefix that most share."""
    named = list(rows.values_list("pk", flat=True)[: MAX_NAMED + 1])
    return named if len(named) <= MAX_NAMED else rows.values("pk")


class SearchedByCard(ScopedAdmin[Row]):
    """A list of rows with a `card_id`, searched by ICCID."""

    # Only says that there is a search; `found` is what it looks for.
    search_fields = ("card_id__exact",)
    search_help_text = _("the beginning of an ICCID")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """What was found; everything for an empty term."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(self.found(request.user, search_term)), False

    def found(self, user: Any, beginning: str) -> Q:
        """What the search is for."""
        return by_iccid(user, beginning)


class CardRowsAdmin(SearchedByCard[Row], ScopedReadOnlyAdmin[Row]):
    """The same for rows that only the system writes."""
