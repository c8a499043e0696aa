"""Search for rows of cards by the beginning of an ICCID."""

from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin, ScopedReadOnlyAdmin
from cards.models import Card

Row = TypeVar("Row", bound=Model)
# With more ids than this, a subquery is better: PostgreSQL then looks for matches from the newest row on.
MAX_LISTED = 1000


def by_iccid(user: Any, beginning: str) -> Q:
    """Return a filter for the rows of cards whose ICCID begins with `beginning`.

    Only cards that `user` may see are included, but deleted ones too.
    """
    cards = Card.objects.known_to(user).filter(iccid__startswith=beginning.strip().upper())
    # Two queries, because present and deleted cards have separate partial indexes.
    return Q(card_id__in=ids_or_subquery(cards.present())) | Q(card_id__in=ids_or_subquery(cards.deleted()))


def ids_or_subquery(rows: QuerySet[Any]) -> Any:
    """Return the ids of `rows` for an `__in` filter: as a list up to `MAX_LISTED`, otherwise as a subquery.

    With a list, PostgreSQL knows how many rows there are; it cannot estimate that for a prefix that most rows
    share.
    """
    ids = list(rows.values_list("pk", flat=True)[: MAX_LISTED + 1])
    return ids if len(ids) <= MAX_LISTED else rows.values("pk")


class SearchedByCard(ScopedAdmin[Row]):
    """Base class for the admin of rows with a `card_id`, searched by ICCID."""

    # Makes Django show the search box; the search itself is `search_filter`.
    search_fields = ("card_id__exact",)
    search_help_text = _("the beginning of an ICCID")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(self.search_filter(request.user, search_term)), False

    def search_filter(self, user: Any, beginning: str) -> Q:
        """Return the filter for rows that match the search term `beginning`."""
        return by_iccid(user, beginning)


class CardRowsAdmin(SearchedByCard[Row], ScopedReadOnlyAdmin[Row]):
    """Base class for the read-only admin of rows with a `card_id` that only the system writes."""
