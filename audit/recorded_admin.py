"""The base class for admin pages that record changes as operations."""

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
    """An admin page that records every row added, changed or deleted by its forms or Django's delete action.

    Other admin actions must record their operations themselves.
    """

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # Keep the values from before the change, because `log_change` needs them.
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST":
            vars(row)[_BEFORE] = snapshot(row)
        return row

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(request.user, Action.CREATED, obj, after=snapshot(_as_stored(obj)))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        # Django has already saved many-to-many fields, so the snapshot contains their new values.
        record(
            request.user, Action.CHANGED, obj, before=vars(obj).get(_BEFORE), after=snapshot(_as_stored(obj))
        )
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        # Django has not deleted the rows yet, so their values can still be read.
        for row in queryset:
            record(request.user, Action.DELETED, row, before=snapshot(row))
        return super().log_deletions(request, queryset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        # Run Django's delete action in one transaction with the operations that record it.
        if request.method == "POST" and request.POST.get("action") == "delete_selected":
            with transaction.atomic():
                return super().changelist_view(request, extra_context)
        return super().changelist_view(request, extra_context)


def _as_stored(row: Model) -> Model:
    # Read the row again, because a domain function may have written values that the form's instance lacks.
    return type(row)._base_manager.get(pk=row.pk)
