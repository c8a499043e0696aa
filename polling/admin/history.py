"""Read-only admin pages of the statistics and of manual triggers."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedReadOnlyAdmin
from cards.admin.search import CardRowsAdmin
from carriers.models import Gateway
from polling.models import ManualItem, ManualTrigger, MinuteStat


@admin.register(MinuteStat)
class MinuteStatAdmin(ScopedReadOnlyAdmin[MinuteStat]):
    """The statistics: a row of counts for each minute and check type, and one for each gateway that was called."""

    list_display = (
        "minute", "task_type", "gateway", "success", "failed", "total_ms", "due", "in_flight", "seats", "lateness_p99_seconds",
    )  # fmt: skip
    list_filter = ("task_type",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MinuteStat]:
        names = Gateway.objects.filter(pk=OuterRef("gateway_id")).values("name")
        return super().get_queryset(request).annotate(gateway_name=Subquery(names))

    @admin.display(description=_("gateway"))
    def gateway(self, row: Any) -> str:
        """Return the name of the gateway, or its id if it has been deleted, or "all"."""
        return str(row.gateway_name or row.gateway_id or _("all"))


@admin.register(ManualTrigger)
class ManualTriggerAdmin(ScopedReadOnlyAdmin[ManualTrigger]):
    """Manual triggers, with their requesters and their progress."""

    list_display = (
        "created_at", "requester", "task_type", "kind", "status", "accepted", "skipped", "done", "failed", "ended_at",
    )  # fmt: skip
    ordering = ("-created_at", "-id")
    list_select_related = ("requester",)
    list_filter = ("status", "task_type", "kind")
    search_fields = ("requester__username__startswith",)
    search_help_text = _("the beginning of a user name")


@admin.register(ManualItem)
class ManualItemAdmin(CardRowsAdmin[ManualItem]):
    """The cards of manual triggers, with the result of each check."""

    list_display = ("trigger_id", "card", "task_type", "status", "result")
    list_select_related = ("card",)
    list_filter = ("status", "task_type")
