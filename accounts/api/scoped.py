"""Views of rows: what the caller may not see is not there, and what is done to the rest is recorded."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast

from django.db import transaction
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from audit.models import Action
from audit.recording import record
from audit.snapshots import Snapshot, snapshot, version
from common.api.etags import etag_of, require_match
from common.api.idempotency import idempotent
from common.api.pages import NumberedPages
from common.api.query_params import AskedView
from common.api.strict_serializers import Parameters
from common.errors import DomainError
from common.references import is_used

Row = TypeVar("Row", bound=Model)


class ScopedViewSet(AskedView, GenericViewSet[Row], Generic[Row]):
    """Rows that the caller may see. `subject` begins the codes of its errors, such as `carrier_not_found`."""

    subject: ClassVar[str]
    model: type[Row]
    pagination_class: Any = NumberedPages
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Row]:
        """Only what the caller may see."""
        rows: Any = self.model._default_manager
        return cast("QuerySet[Row]", rows.visible_to(self.request.user))

    def get_object(self) -> Row:
        """The row that the path names; one that may not be seen is refused like one that is not there."""
        return self._found(self.get_queryset())

    def locked_object(self) -> Row:
        """The same, locked until the transaction ends, in the version that the request is about."""
        row = self._found(self.get_queryset().select_for_update(of=("self",), no_key=True))
        require_match(self.request, self.held(row))
        return row

    def held(self, row: Row) -> Snapshot:
        """What an ETag is made of."""
        return version(row)

    def answer(self, row: Row, *, status: int = 200) -> Response:
        """The row, with its ETag."""
        return Response(
            self.get_serializer(row).data, status=status, headers={"ETag": etag_of(self.held(row))}
        )

    def parameters_in_use(self) -> type[Parameters]:
        """Of a list its filters, of one row none."""
        return self.parameters if self.action == "list" else Parameters

    def known_elsewhere(self) -> frozenset[str]:
        """A list has pages."""
        others = super().known_elsewhere()
        return others | self.pagination_class.names() if self.action == "list" else others

    def _found(self, rows: QuerySet[Row]) -> Row:
        row = rows.filter(pk=self.kwargs["pk"]).first()
        if row is None:
            raise DomainError(
                f"There is no such {self.subject.replace('_', ' ')}.",
                code=f"{self.subject}_not_found",
                status=404,
            )
        return row


class Listed(ScopedViewSet[Row]):
    """`GET` on the list."""

    def list(self, request: Request) -> Response:
        """A page of the rows that the caller may see."""
        rows = self.filtered(self.get_queryset(), self.asked)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def filtered(self, rows: QuerySet[Row], asked: Mapping[str, Any]) -> QuerySet[Row]:
        """By what was asked for: the sources of the declared parameters."""
        return rows.filter(**asked)


class Shown(ScopedViewSet[Row]):
    """`GET` on one row."""

    def retrieve(self, request: Request, pk: str) -> Response:
        """The row; its ETag is for `If-Match`."""
        return self.answer(self.get_object())


class Created(ScopedViewSet[Row]):
    """`POST` on the list."""

    @idempotent
    def create(self, request: Request) -> Response:
        """Make a row."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        row = self.perform_create(serializer)
        record(request.user, Action.CREATED, row, after=snapshot(row))
        return self.answer(row, status=201)

    def perform_create(self, serializer: BaseSerializer[Row]) -> Row:
        """Store it."""
        return serializer.save()


class Changed(ScopedViewSet[Row]):
    """`PUT` and `PATCH` on one row: both change the fields that are sent, and no others."""

    def update(self, request: Request, pk: str) -> Response:
        """Change the fields that are sent."""
        with transaction.atomic():
            row = self.locked_object()
            serializer = self.get_serializer(row, data=request.data, partial=True)
            serializer.is_valid(raise_exception=True)
            before = snapshot(row)
            row = self.perform_update(serializer)
            record(request.user, Action.CHANGED, row, before=before, after=snapshot(row))
        return self.answer(row)

    partial_update = update

    def perform_update(self, serializer: BaseSerializer[Row]) -> Row:
        """Store it."""
        return serializer.save()


class Deleted(ScopedViewSet[Row]):
    """`DELETE` on one row."""

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the row."""
        with transaction.atomic():
            row = self.locked_object()
            record(request.user, Action.DELETED, row, before=snapshot(row))
            self.perform_destroy(row)
        return Response(status=204)

    def perform_destroy(self, row: Row) -> None:
        """Delete it, unless others point at it."""
        if is_used(row):
            raise DomainError(
                f"This {self.subject.replace('_', ' ')} is in use.", code=f"{self.subject}_in_use", status=409
            )
        row.delete()


class Managed(Listed[Row], Shown[Row], Created[Row], Changed[Row], Deleted[Row]):
    """All of it."""
