"""Cursor pages for long lists. A cursor is valid only for the URL and the filters that it was made for."""

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
# Parameters that a client may change while it uses the same cursor. All others are filters.
_PAGE_PARAMETERS = {"cursor", "page_size"}


@dataclass(frozen=True)
class _Position:
    """The place in the list where a page begins.

    `values` are one row's values in the fields of `ordering`. The page holds the rows after this row, or, if
    `is_backward`, the rows before it.
    """

    is_backward: bool
    values: Sequence[str]


class CursorParameters(Parameters):
    """The query parameters of a cursor page."""

    cursor = serializers.CharField(required=False, help_text="taken from the link in `next` or `previous`")
    page_size = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=PAGE_SIZE)


class CursorPages(BasePagination):
    """Pagination by `?cursor=&page_size=`. The answer has the fields `next, previous, results`.

    A cursor that was made for other filters is refused. These are keyset pages: all fields of `ordering`
    decide where a page begins. DRF's cursors use only the first field, and skip rows with the same value by
    OFFSET. Skipping is slow if thousands of rows have the same value, for example because thousands of cards
    began to fail in one transaction.

    Example::

        class HistoryPages(CursorPages):
            ordering = ("-created_at", "-id")
    """

    # The fields must never be null, and the last one must be unique. Either all of them begin with `-`
    # (descending) or none does.
    ordering: ClassVar[tuple[str, ...]]
    parameters = CursorParameters

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the requested page. Raise ValidationError for invalid parameters."""
        del view
        self._request = request
        size, position = _page_size(request), _position(request)
        is_backward = position is not None and position.is_backward
        descends = is_backward != self.ordering[0].startswith("-")
        if position:
            queryset = queryset.filter(_beyond(self._values_of(queryset, position), descends=descends))
        ordered = queryset.order_by(*(f"-{name}" if descends else name for name in self._names))
        # Read one row more than the page holds, to learn whether there is another page.
        rows = list(ordered[: size + 1])
        has_more = len(rows) > size
        rows = rows[:size][::-1] if is_backward else rows[:size]
        self._next = self._link(rows[-1], is_backward=False) if rows and (has_more or is_backward) else None
        came_forward = position is not None and not is_backward
        self._previous = (
            self._link(rows[0], is_backward=True)
            if rows and (came_forward or (is_backward and has_more))
            else None
        )
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """Return the response for this page, with links to the next and the previous page."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    @classmethod
    def parameter_names(cls) -> frozenset[str]:
        """Return the names of the query parameters that this class reads."""
        return frozenset(cls.parameters().fields)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    @property
    def _names(self) -> list[str]:
        return [name.removeprefix("-") for name in self.ordering]

    def _values_of(self, queryset: QuerySet[Any], position: _Position) -> list[tuple[str, Any]]:
        named = zip(self._names, position.values, strict=True)
        return [(name, _field(queryset.model, name).to_python(value)) for name, value in named]

    def _link(self, row: Model, *, is_backward: bool) -> str:
        values = [_field(type(row), name).value_to_string(row) for name in self._names]
        cursor = signing.dumps([is_backward, values], salt=_salt(self._request))
        return str(replace_query_param(self._request.build_absolute_uri(), "cursor", cursor))


def _field(model: type[Model], name: str) -> Field[Any, Any]:
    return cast("Field[Any, Any]", model._meta.get_field(name))


def _page_size(request: Request) -> int:
    text = request.query_params.get("page_size", PAGE_SIZE)
    try:
        return int(serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE).run_validation(text))
    except ValidationError as error:
        raise ValidationError({"page_size": error.detail}) from None


def _position(request: Request) -> _Position | None:
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    try:
        is_backward, values = signing.loads(cursor, salt=_salt(request))
    except signing.BadSignature:
        raise ValidationError({"cursor": ["This cursor belongs to another list or other filters."]}) from None
    return _Position(is_backward, values)


def _salt(request: Request) -> str:
    filters = sorted(item for item in request.query_params.lists() if item[0] not in _PAGE_PARAMETERS)
    return f"cursor {request.path} {filters}"


def _beyond(values: Sequence[tuple[str, Any]], *, descends: bool) -> Q:
    # The first condition follows from the second, but PostgreSQL can use an index only for the first.
    sign = "lt" if descends else "gt"
    (name, value), *_ = values
    return Q(**{f"{name}__{sign}e": value}) & _strictly_beyond(values, sign)


def _strictly_beyond(values: Sequence[tuple[str, Any]], sign: str) -> Q:
    (name, value), *rest = values
    beyond = Q(**{f"{name}__{sign}": value})
    return beyond | Q(**{name: value}) & _strictly_beyond(rest, sign) if rest else beyond
