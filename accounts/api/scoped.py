"""Base classes for view sets. They serve only rows that the caller may see, and record changes as operations.

A request for a hidden row is answered with status 404, as if the row did not exist.
"""

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
from common.api.etags import require_match, row_tag
from common.api.idempotency import idempotent
from common.api.pages import NumberedPages
from common.api.query_params import ValidatedQueryView
from common.api.strict_serializers import Parameters
from common.errors import DomainError
from common.references import is_referenced

Row = TypeVar("Row", bound=Model)


class ScopedViewSet(ValidatedQueryView, GenericViewSet[Row], Generic[Row]):
    """The base of all view sets. It serves only the rows that the caller may see.

    `subject` is the word for a row in error messages and error codes, such as `carrier_not_found`. Example::

        class CarrierViewSet(ManagedViewSet[Carrier]):
            subject = "carrier"
            model = Carrier
            permission_classes = (MayOperateShared,)
            serializer_class = CarrierSerializer
    """

    subject: ClassVar[str]
    model: type[Row]
    pagination_class: Any = NumberedPages
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Row]:
        rows: Any = self.model._default_manager
        return cast("QuerySet[Row]", rows.visible_to(self.request.user))

    def get_object(self) -> Row:
        """Return the row whose id is in the URL. Raise DomainError (404) if it is missing or hidden."""
        return self._found(self.get_queryset())

    def locked_object(self) -> Row:
        """Return the row whose id is in the URL, locked until the transaction ends.

        Raise DomainError if the row is missing or hidden (404), or does not match `If-Match` (412).
        """
        row = self._found(self.get_queryset().select_for_update(of=("self",), no_key=True))
        require_match(self.request, self.etag_source(row))
        return row

    def etag_source(self, row: Row) -> Snapshot:
        """Return the values from which the ETag of `row` is computed."""
        return version(row)

    def answer(self, row: Row, *, status: int = 200) -> Response:
        """Return a response that contains the serialized row and its ETag."""
        return Response(
            self.get_serializer(row).data, status=status, headers={"ETag": row_tag(self.etag_source(row))}
        )

    def active_parameters(self) -> type[Parameters]:
        # Only lists have filters, so requests for one row accept no parameters.
        return self.parameters if self.action == "list" else Parameters

    def foreign_parameters(self) -> frozenset[str]:
        others = super().foreign_parameters()
        return others | self.pagination_class.parameter_names() if self.action == "list" else others

    def _found(self, rows: QuerySet[Row]) -> Row:
        row = rows.filter(pk=self.kwargs["pk"]).first()
        if row is None:
            raise DomainError(
                f"There is no such {self.subject.replace('_', ' ')}.",
                code=f"{self.subject}_not_found",
                status=404,
            )
        return row


class ListViewSet(ScopedViewSet[Row]):
    """A view set with `GET` on the list."""

    def list(self, request: Request) -> Response:
        """Return one page of the rows that the caller may see."""
        rows = self.filtered(self.get_queryset(), self.query)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def filtered(self, rows: QuerySet[Row], query: Mapping[str, Any]) -> QuerySet[Row]:
        """Return the `rows` that match `query`.

        `query` maps Django lookups to values. The `source` of a query parameter's field is its lookup.
        """
        return rows.filter(**query)


class RetrieveViewSet(ScopedViewSet[Row]):
    """A view set with `GET` on one row."""

    def retrieve(self, request: Request, pk: str) -> Response:
        """Return the row, with an ETag that a later change can send in `If-Match`."""
        return self.answer(self.get_object())


class CreateViewSet(ScopedViewSet[Row]):
    """A view set with `POST` on the list."""

    @idempotent
    def create(self, request: Request) -> Response:
        """Create a row."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        row = self.perform_create(serializer)
        record(request.user, Action.CREATED, row, after=snapshot(row))
        return self.answer(row, status=201)

    def perform_create(self, serializer: BaseSerializer[Row]) -> Row:
        return serializer.save()


class UpdateViewSet(ScopedViewSet[Row]):
    """A view set with `PUT` and `PATCH` on one row. Both change only the fields that are sent."""

    def update(self, request: Request, pk: str) -> Response:
        """Change only the fields that are sent."""
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
        return serializer.save()


class DestroyViewSet(ScopedViewSet[Row]):
    """A view set with `DELETE` on one row."""

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the row."""
        with transaction.atomic():
            row = self.locked_object()
            record(request.user, Action.DELETED, row, before=snapshot(row))
            self.perform_destroy(row)
        return Response(status=204)

    def perform_destroy(self, row: Row) -> None:
        """Delete the row. Raise DomainError (409) if another row references it."""
        if is_referenced(row):
            raise DomainError(
                f"This {self.subject.replace('_', ' ')} is in use.", code=f"{self.subject}_in_use", status=409
            )
        row.delete()


class ManagedViewSet(
    ListViewSet[Row], RetrieveViewSet[Row], CreateViewSet[Row], UpdateViewSet[Row], DestroyViewSet[Row]
):
    """A view set with all methods: it lists, retrieves, creates, updates and deletes rows."""
