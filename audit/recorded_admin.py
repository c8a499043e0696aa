"""Admin pages that record what is done on them."""

from typing import Any, TypeVar

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from audit.models import Action
from audit.recording import record
from audit.snapshots import snapshot

Row = TypeVar("Row", bound=Model)
_BEFORE = "_before_the_change"


class RecordedAdmin(admin.ModelAdmin[Row]):
    """Adding, changing and deleting rows, by form or by Django's own action, writes operations.

    Actions of other names act through the domain: who adds one records it.
    """

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, with what it holds before anything is done to it."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST":
            vars(row)[_BEFORE] = snapshot(row)
        return row

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Django's note for its start page, and ours."""
        record(request.user, Action.CREATED, obj, after=snapshot(_as_stored(obj)))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The same; what belongs to many rows has been saved before."""
        record(
            request.user, Action.CHANGED, obj, before=vars(obj).get(_BEFORE), after=snapshot(_as_stored(obj))
        )
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """The same; called before the rows go."""
        for row in queryset:
            record(request.user, Action.DELETED, row, before=snapshot(row))
        return super().log_deletions(request, queryset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; the action that deletes is one transaction, with what it records."""
        if request.method == "POST" and request.POST.get("action") == "delete_selected":
            with transaction.atomic():
                return super().changelist_view(request, extra_context)
        return super().changelist_view(request, extra_context)


def _as_stored(row: Model) -> Model:
    """As the database has it: what a domain function wrote is not on the form's own copy."""
    return type(row)._base_manager.get(pk=row.pk)
