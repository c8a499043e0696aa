"""Base classes for admin pages of large tables, of read-only tables, and of rows with an owner."""

from typing import Any, ClassVar, TypeVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext

MAX_COUNT = 10_001

Row = TypeVar("Row", bound=Model)


class AtLeast(int):
    """A number of rows that was not counted to its end. Pages show it as "more than 10,000"."""

    def __str__(self) -> str:
        return gettext("more than %(rows)s") % {"rows": f"{int(self) - 1:,}"}


class BoundedPaginator(Paginator[Any]):
    """A paginator that stops counting rows at `MAX_COUNT`, because counting a large table takes seconds."""

    @cached_property
    def count(self) -> int:
        query = cast("QuerySet[Any]", self.object_list)
        counted = int(query.order_by()[:MAX_COUNT].count())
        return AtLeast(counted) if counted == MAX_COUNT else counted


class EstimatingPaginator(BoundedPaginator):
    """A paginator that estimates the length of a large table from PostgreSQL's statistics.

    If the estimate is at most `MAX_COUNT`, the paginator counts the rows instead.
    """

    @cached_property
    def count(self) -> int:
        query = cast("QuerySet[Any]", self.object_list)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(reltuples), 0)::bigint FROM pg_class "
                "WHERE oid IN (SELECT relid FROM pg_partition_tree(%s::regclass) WHERE isleaf) "
                "OR (oid = %s::regclass AND relkind = 'r')",
                [query.model._meta.db_table, query.model._meta.db_table],
            )
            estimate = int(cursor.fetchone()[0])
        return estimate if estimate > MAX_COUNT else super().count

    @cached_property
    def num_pages(self) -> int:
        """Return how many pages are offered: enough for the first `MAX_COUNT` rows, and no more.

        Later pages are not offered, because PostgreSQL would have to read all rows before them.
        """
        return -(-min(max(self.count, 1), MAX_COUNT) // self.per_page)


class UnsortedChangeList(ChangeList):
    """A change list that ignores any sort order in the URL.

    Django's own change list applies a sort order from the URL even if no column is sortable.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))


class LargeTableAdmin(admin.ModelAdmin[Row]):
    """An admin page for millions of rows. It offers no sorting and counts at most `MAX_COUNT` rows.

    Example::

        @admin.register(CardEvent)
        class CardEventAdmin(LargeTableAdmin[CardEvent]):
            list_display = ("at", "kind", "card")
    """

    list_per_page = 50
    show_full_result_count = False
    # Don't offer sorting, because it would read and sort the entire table.
    sortable_by = ()
    # Don't offer "Show counts", because it would count the entire table once for each value of each filter.
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UnsortedChangeList

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Return an `EstimatingPaginator` for the entire table, a `BoundedPaginator` for a filtered list."""
        is_whole = set(request.GET) <= {PAGE_VAR, ORDER_VAR} and self.sees_everything(request)
        return (EstimatingPaginator if is_whole else BoundedPaginator)(queryset, *args, **kwargs)

    def sees_everything(self, request: HttpRequest) -> bool:
        """Return whether this user may see every row of the table."""
        return True


class ReadOnlyAdmin(LargeTableAdmin[Row]):
    """An admin page for a table that only the system writes, so users can only view its rows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OwnedAdmin(admin.ModelAdmin[Row]):
    """An admin page for rows with an `owner`. The user who adds a row becomes its owner."""

    readonly_fields: ClassVar[tuple[str, ...]] = ("owner",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if not change:
            obj.owner = request.user
        super().save_model(request, obj, form, change)
