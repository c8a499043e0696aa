"""Numbered pages for short lists. Long lists use cursors (see `pagination`)."""

from typing import Any

from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from common.api.pagination import MAX_PAGE_SIZE, PAGE_SIZE
from common.api.strict_serializers import Parameters

FIRST = 1
# The highest page number. It keeps the OFFSET within PostgreSQL's 64-bit integers.
LAST = 1_000_000


class PageParameters(Parameters):
    """The query parameters of a numbered page."""

    page = serializers.IntegerField(min_value=FIRST, max_value=LAST, default=FIRST)
    page_size = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=PAGE_SIZE)


class NumberedPages(BasePagination):
    """Pagination by `?page=&page_size=`. The answer has the fields `count, next, previous, results`.

    A page after the last one is empty.

    Example::

        class CarrierViewSet(ScopedViewSet[Carrier]):
            pagination_class = NumberedPages
    """

    parameters = PageParameters

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the requested page. Raise ValidationError for invalid parameters."""
        query = {
            name: request.query_params[name]
            for name in self.parameter_names()
            if name in request.query_params
        }
        parameters = self.parameters(data=query)
        parameters.is_valid(raise_exception=True)
        self._request, self._page = request, parameters.validated_data["page"]
        size = parameters.validated_data["page_size"]
        self._count = self.count_of(queryset)
        self._pages = -(-self._count // size)
        if self._page > self._pages:
            return []
        return list(queryset[(self._page - 1) * size : self._page * size])

    def count_of(self, queryset: Any) -> int:
        """Return the number of rows on all pages."""
        return int(queryset.order_by().count())

    def get_paginated_response(self, data: Any) -> Response:
        """Return the response for this page, with links to the next and the previous page."""
        previous = min(self._page - 1, self._pages)
        return Response(
            {
                "count": self._count,
                "next": self._link(self._page + 1) if self._page < self._pages else None,
                "previous": self._link(previous) if previous >= FIRST else None,
                "results": data,
            }
        )

    @classmethod
    def parameter_names(cls) -> frozenset[str]:
        """Return the names of the query parameters that this class reads."""
        return frozenset(cls.parameters().fields)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"count": {"type": "integer"}, "next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def _link(self, page: int) -> str:
        address = self._request.build_absolute_uri()
        if page == FIRST:
            return str(remove_query_param(address, "page"))
        return str(replace_query_param(address, "page", str(page)))
