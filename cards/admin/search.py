"""Search in the admin: find the rows of cards by the card's ICCID, in any spelling, or its MSISDN."""

from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin, ScopedReadOnlyAdmin
from cards.models import Card

Row = TypeVar("Row", bound=Model)
SEARCH_HELP = _("the beginning of an ICCID or an MSISDN, or the last six digits of an ICCID")
# For more ids than MAX_LISTED, use a subquery. PostgreSQL then reads the newest rows first, and stops as soon
# as it has found enough rows.
MAX_LISTED = 1000


def by_card(user: Any, term: str) -> Q:
    """Return a filter for rows whose card is found by `term`, see `CardQuerySet.found_by`.

    The filter matches only cards that `user` may see, including deleted cards.
    """
    cards = Card.objects.known_to(user).found_by(term)
    # Search present cards and deleted cards separately, because each kind has its own partial index.
    return Q(card_id__in=ids_or_subquery(cards.present())) | Q(card_id__in=ids_or_subquery(cards.deleted()))


def ids_or_subquery(rows: QuerySet[Any]) -> Any:
    """Return the ids of `rows` for an `__in` filter, as a list or, above `MAX_LISTED` ids, as a subquery.

    A list tells PostgreSQL how many ids there are. For a subquery, PostgreSQL has to estimate the number, and
    the estimate is bad if most of the searched values begin with the same characters.
    """
    ids = list(rows.values_list("pk", flat=True)[: MAX_LISTED + 1])
    return ids if len(ids) <= MAX_LISTED else rows.values("pk")


class SearchedByCard(ScopedAdmin[Row]):
    """Base class for admin pages of rows that have a `card_id` and are searched by ICCID."""

    # Django shows the search box only if `search_fields` is not empty. `search_filter` does the search.
    search_fields = ("card_id__exact",)
    search_help_text = SEARCH_HELP

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(self.search_filter(request.user, search_term)), False

    def search_filter(self, user: Any, term: str) -> Q:
        """Return a filter for the rows that match the search term."""
        return by_card(user, term)


class CardRowsAdmin(SearchedByCard[Row], ScopedReadOnlyAdmin[Row]):
    """Base class for read-only admin pages of rows that have a `card_id` and that only the system writes."""
