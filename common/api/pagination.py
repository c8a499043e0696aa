"""Pages of long lists: by a cursor, which is good for the list that it was made for and no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django.core import signing
from django.db.models import Field, Model, Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from common.api.strict_serializers import Parameters

PAGE_SIZE = 20
MAX_PAGE_SIZE = 500
# What may differ from page to page.
_OF_THE_PAGE = {"cursor", "page_size"}


@dataclass(frozen=True)
class _Place:
    """Between two rows: after (or, backward, before) one with these values of the ordering's fields."""

    is_backward: bool
    values: Sequence[str]


class CursorParameters(Parameters):
    """Which page, and how long."""

    cursor = serializers.CharField(required=False, help_text="from `next` or `previous`")
    page_size = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=PAGE_SIZE)


class CursorPages(BasePagination):
    """`?cursor=&page_size=` with `next, previous, results`. Cursors are signed: one of other filters is refused.

    Keyset pages: unlike DRF's own, without an OFFSET among rows that share a value, so a thousand cards that
    began to fail in one transaction are paged through like any others.
    """

    # Fields that are never null, all ascending or, with `-`, all descending; the last one is unique.
    ordering: ClassVar[tuple[str, ...]]
    parameters = CursorParameters

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """The rows of the page that `request` asks for. Raises ValidationError."""
        del view
        self._request = request
        size, place = _page_size(request), _place(request)
        is_backward = place is not None and place.is_backward
        descends = is_backward != self.ordering[0].startswith("-")
        if place:
            queryset = queryset.filter(_beyond(self._values_of(queryset, place), descends=descends))
        ordered = queryset.order_by(*(f"-{name}" if descends else name for name in self._names))
        # One more than fits tells whether there is another page.
        rows = list(ordered[: size + 1])
        goes_on = len(rows) > size
        rows = rows[:size][::-1] if is_backward else rows[:size]
        self._next = self._link(rows[-1], is_backward=False) if rows and (goes_on or is_backward) else None
        came_from = place is not None and not is_backward
        self._previous = (
            self._link(rows[0], is_backward=True)
            if rows and (came_from or (is_backward and goes_on))
            else None
        )
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """The page and the ways out of it."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    @classmethod
    def names(cls) -> frozenset[str]:
        """The query parameters that are its own."""
        return frozenset(cls.parameters().fields)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """For OpenAPI 3.1."""
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    @property
    def _names(self) -> list[str]:
        return [name.removeprefix("-") for name in self.ordering]

    def _values_of(self, queryset: QuerySet[Any], place: _Place) -> list[tuple[str, Any]]:
        named = zip(self._names, place.values, strict=True)
        return [(name, _field(queryset.model, name).to_python(value)) for name, value in named]

    def _link(self, row: Model, *, is_backward: bool) -> str:
        values = [_field(type(row), name).value_to_string(row) for name in self._names]
        cursor = signing.dumps([is_backward, values], salt=_salt(self._request))
        return str(replace_query_param(self._request.build_absolute_uri(), "cursor", cursor))


def _field(model: type[Model], name: str) -> Field[Any, Any]:
    return cast("Field[Any, Any]", model._meta.get_field(name))


def _page_size(request: Request) -> int:
    wanted = request.query_params.get("page_size", PAGE_SIZE)
    try:
        return int(serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE).run_validation(wanted))
    except ValidationError as error:
        raise ValidationError({"page_size": error.detail}) from None


def _place(request: Request) -> _Place | None:
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    try:
        is_backward, values = signing.loads(cursor, salt=_salt(request))
    except signing.BadSignature:
        raise ValidationError({"cursor": ["This cursor is not of this list and its filters."]}) from None
    return _Place(is_backward, values)


def _salt(request: Request) -> str:
    named = sorted(item for item in request.query_params.lists() if item[0] not in _OF_THE_PAGE)
    return f"cursor {request.path} {named}"


def _beyond(place: Sequence[tuple[str, Any]], *, descends: bool) -> Q:
    # The first condition follows from the second; it is there for the index.
    sign = "lt" if descends else "gt"
    (name, value), *_ = place
    return Q(**{f"{name}__{sign}e": value}) & _strictly_beyond(place, sign)


def _strictly_beyond(place: Sequence[tuple[str, Any]], sign: str) -> Q:
    (name, value), *rest = place
    beyond = Q(**{f"{name}__{sign}": value})
    return beyond | Q(**{name: value}) & _strictly_beyond(rest, sign) if rest else beyond
