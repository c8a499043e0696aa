"""Base classes for the admin."""

from typing import Any, ClassVar, TypeVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

MAX_COUNT = 10_001

Row = TypeVar("Row", bound=Model)


class BoundedPaginator(Paginator[Any]):
    """Count rows up to `MAX_COUNT` only: an exact count of a large table takes seconds."""

    @cached_property
    def count(self) -> int:
        query = cast("QuerySet[Any]", self.object_list)
        return int(query.order_by()[:MAX_COUNT].count())


class EstimatingPaginator(BoundedPaginator):
    """Take the number of rows from PostgreSQL's statistics, unless the table is small enough to count."""

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
        """Offer the first `MAX_COUNT` rows only: a deep page reads all rows before it."""
        return -(-min(max(self.count, 1), MAX_COUNT) // self.per_page)


class UnsortedChangeList(ChangeList):
    """Ignore an order in the URL: Django obeys it even when no column header offers to sort."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))


class LargeTableAdmin(admin.ModelAdmin[Row]):
    """Admin of a table with millions of rows: no exact counts, no sorting by column.

    Example::

        @admin.register(CardEvent)
        class CardEventAdmin(LargeTableAdmin[CardEvent]):
            list_display = ("at", "kind", "card")
    """

    list_per_page = 50
    show_full_result_count = False
    # Sorting by a column reads and sorts the whole table.
    sortable_by = ()
    # "Show counts" would count the whole table once for each value of each filter.
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UnsortedChangeList

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Estimate the length of the whole table; count up to a bound when the list is filtered."""
        is_whole = set(request.GET) <= {PAGE_VAR, ORDER_VAR} and self.sees_everything(request)
        return (EstimatingPaginator if is_whole else BoundedPaginator)(queryset, *args, **kwargs)

    def sees_everything(self, request: HttpRequest) -> bool:
        """Return whether this user's list holds every row of the table."""
        return True


class ReadOnlyAdmin(LargeTableAdmin[Row]):
    """Admin of a table that only the system writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OwnedAdmin(admin.ModelAdmin[Row]):
    """Admin of rows with an `owner`: the user who adds a row owns it."""

    readonly_fields: ClassVar[tuple[str, ...]] = ("owner",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if not change:
            obj.owner = request.user
        super().save_model(request, obj, form, change)
