"""Admin lists of rows that belong to agents."""

from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from accounts.scoping import sees_everything
from common.admin import LargeTableAdmin, ReadOnlyAdmin
from common.errors import DomainError

Row = TypeVar("Row", bound=Model)


class ScopedAdmin(LargeTableAdmin[Row]):
    """Rows that the user may see, the newest first."""

    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Only what the user may see."""
        rows: Any = self.model._default_manager
        visible: QuerySet[Row] = rows.visible_to(request.user)
        return visible.order_by(*self.get_ordering(request))

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
