"""The read-only admin page for operations."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.models import Operation
from common.admin import ReadOnlyAdmin


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin[Operation]):
    """The list of operations, newest first."""

    list_display = ("at", "actor_name", "action", "target_type", "target_id", "client_ip")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        return Operation.objects.visible_to(request.user).order_by(*self.ordering)
