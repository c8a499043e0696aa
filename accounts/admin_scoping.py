"""Admin lists of rows that belong to agents."""

from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from accounts.scoping import sees_everything
from audit.recorded_admin import RecordedAdmin
from common.admin import LargeTableAdmin, ReadOnlyAdmin
from common.errors import DomainError
from common.references import is_used

Row = TypeVar("Row", bound=Model)


class NumbersOnlyAutocomplete(AutocompleteSelect):
    """Shows a form again whose choice was no number; Django's own looks the choice up and fails."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        """The chosen row, if it can be one."""
        return super().optgroups(name, [one for one in value if str(one).isdecimal()], attrs)


class ScopedAdmin(RecordedAdmin[Row], LargeTableAdmin[Row]):
    """Rows that the user may see, the newest first; what is done to them is recorded."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Only what the user may see."""
        rows: Any = self.model._default_manager
        visible: QuerySet[Row] = rows.visible_to(request.user)
        return visible.order_by(*self.get_ordering(request))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A choice among the rows that the user may see: what is not offered is not accepted either."""
        rows = db_field.remote_field.model._default_manager
        if hasattr(rows, "visible_to"):
            kwargs["queryset"] = rows.visible_to(request.user)
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = NumbersOnlyAutocomplete(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The form; a refusal that only showed while saving is told on it, and nothing is saved."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def sees_everything(self, request: HttpRequest) -> bool:
        """Agents see a part."""
        return sees_everything(request.user)


class ScopedReadOnlyAdmin(ScopedAdmin[Row], ReadOnlyAdmin[Row]):
    """The same for rows that only the system writes."""


class DeletedWhenUnused(admin.ModelAdmin[Row]):
    """For rows that others point at: deleted one by one, when nothing points there any more.

    Django's own page would first read every row that does, of a carrier a third of the fleet.
    """

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of a row that is used: nobody."""
        return obj is not None and super().has_delete_permission(request, obj) and not is_used(obj)
