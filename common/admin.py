"""Base classes for the admin."""

from functools import cached_property
from typing import Any, ClassVar, TypeVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest

COUNT_AT_MOST = 10_001

Row = TypeVar("Row", bound=Model)


class BoundedPaginator(Paginator[Any]):
    """Counts up to a bound: nobody turns ten thousand pages."""

    @cached_property
    def count(self) -> int:
        """Rows, at most the bound."""
        query = cast("QuerySet[Any]", self.object_list)
        return int(query.order_by()[:COUNT_AT_MOST].count())


class EstimatingPaginator(BoundedPaginator):
    """Asks PostgreSQL how many rows a whole large table has, about, instead of counting them."""

    @cached_property
    def count(self) -> int:
        """Rows, about; exactly as long as there are few."""
        query = cast("QuerySet[Any]", self.object_list)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(reltuples), 0)::bigint FROM pg_class "
                "WHERE oid IN (SELECT relid FROM pg_partition_tree(%s::regclass) WHERE isleaf) "
                "OR (oid = %s::regclass AND relkind = 'r')",
                [query.model._meta.db_table, query.model._meta.db_table],
            )
            estimate = int(cursor.fetchone()[0])
        return estimate if estimate > COUNT_AT_MOST else super().count

    @cached_property
    def num_pages(self) -> int:
        """Pages that can be turned to: deep ones would read all that is before them. Search and filters lead on."""
        return -(-min(max(self.count, 1), COUNT_AT_MOST) // self.per_page)


class UnsortedChangeList(ChangeList):
    """Ignores an order in the address: without column headers that sort, Django would still obey it."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """The admin's own."""
        self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))


class LargeTableAdmin(admin.ModelAdmin[Row]):
    """For tables of millions: no exact counts."""

    list_per_page = 50
    show_full_result_count = False
    # To sort by a column reads and sorts the whole table.
    sortable_by = ()
    # "Show counts" would count the whole table once for each value of each filter.
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """One that does not sort."""
        return UnsortedChangeList

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """An estimate for the whole table, a bounded count as soon as something is filtered."""
        is_whole = set(request.GET) <= {PAGE_VAR, ORDER_VAR} and self.sees_everything(request)
        return (EstimatingPaginator if is_whole else BoundedPaginator)(queryset, *args, **kwargs)

    def sees_everything(self, request: HttpRequest) -> bool:
        """Whether the list is the whole table for this user."""
        return True


class ReadOnlyAdmin(LargeTableAdmin[Row]):
    """For rows that only the system writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never by hand."""
        return False


class OwnedAdmin(admin.ModelAdmin[Row]):
    """For rows with an `owner`: who makes one owns it."""

    readonly_fields: ClassVar[tuple[str, ...]] = ("owner",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Save; a new one is the user's."""
        if not change:
            obj.owner = request.user
        super().save_model(request, obj, form, change)
