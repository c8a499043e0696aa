"""Base classes for the admin."""

from functools import cached_property
from typing import Any, cast

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Asks PostgreSQL how many rows a large table has, instead of counting them.

    A filtered list is counted up to a bound: nobody turns ten thousand pages.
    """

    COUNT_AT_MOST = 10_001

    @cached_property
    def count(self) -> int:
        """Rows, about."""
        query = cast("QuerySet[Any]", self.object_list)
        if not query.query.where:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                    [query.model._meta.db_table],
                )
                estimate = int(cursor.fetchone()[0])
            if estimate > self.COUNT_AT_MOST:
                return estimate
        return int(query.order_by()[: self.COUNT_AT_MOST].count())
