"""Base classes for admin pages that show only the rows visible to the user."""

from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from accounts.scoping import sees_everything
from audit.recorded_admin import RecordedAdmin
from common.admin import LargeTableAdmin, ReadOnlyAdmin
from common.errors import DomainError
from common.references import is_referenced

Row = TypeVar("Row", bound=Model)


class NumbersOnlyAutocomplete(AutocompleteSelect):
    """An autocomplete field that ignores values that are not numbers. Django's own field crashes on them."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        return super().optgroups(name, [choice for choice in value if str(choice).isdecimal()], attrs)


class ScopedAdmin(RecordedAdmin[Row], LargeTableAdmin[Row]):
    """An admin page that shows only the rows visible to the user, newest first, and records changes.

    Example::

        @admin.register(Device)
        class DeviceAdmin(ScopedAdmin[Device]):
            list_display = ("serial", "name")
    """

    ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        rows: Any = self.model._default_manager
        visible: QuerySet[Row] = rows.visible_to(request.user)
        return visible.order_by(*self.get_ordering(request))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        # Offer only visible rows as choices. The form then rejects the id of any other row.
        rows = db_field.remote_field.model._default_manager
        if hasattr(rows, "visible_to"):
            kwargs["queryset"] = rows.visible_to(request.user)
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = NumbersOnlyAutocomplete(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        # If saving raises a DomainError, save nothing, show the error as a message and reload the page.
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def sees_everything(self, request: HttpRequest) -> bool:
        """Return whether the user sees every row. An agent's users see only the rows of their tree."""
        return sees_everything(request.user)


class ScopedReadOnlyAdmin(ScopedAdmin[Row], ReadOnlyAdmin[Row]):
    """A read-only page for a table that only the system writes. It shows only rows visible to the user."""


class DeletedWhenUnused(admin.ModelAdmin[Row]):
    """An admin page that deletes rows one at a time, and only rows that no other row references.

    Django's own deletion would first read every row that references the deleted one. For a carrier, that may
    be a third of all cards.
    """

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is not None and super().has_delete_permission(request, obj) and not is_referenced(obj)
