"""The base of admin pages that record changes as operations."""

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
    """Records rows added, changed and deleted by form or by Django's delete action.

    Any other admin action calls a domain function and must record the operation itself.
    """

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # Keeps the values before the change for `log_change`.
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST":
            vars(row)[_BEFORE] = snapshot(row)
        return row

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(request.user, Action.CREATED, obj, after=snapshot(_as_stored(obj)))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        # Django calls this after it has saved many-to-many fields.
        record(
            request.user, Action.CHANGED, obj, before=vars(obj).get(_BEFORE), after=snapshot(_as_stored(obj))
        )
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        # Django calls this before it deletes the rows.
        for row in queryset:
            record(request.user, Action.DELETED, row, before=snapshot(row))
        return super().log_deletions(request, queryset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        # Django's delete action and its operations are written in one transaction.
        if request.method == "POST" and request.POST.get("action") == "delete_selected":
            with transaction.atomic():
                return super().changelist_view(request, extra_context)
        return super().changelist_view(request, extra_context)


def _as_stored(row: Model) -> Model:
    # The form's own instance lacks what a domain function wrote to the database.
    return type(row)._base_manager.get(pk=row.pk)
