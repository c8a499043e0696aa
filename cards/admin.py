"""Cards in the admin; what the system itself writes is read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from cards.models import Card, CardUsage, CheckState
from common.admin import EstimatingPaginator


class ReadOnlyInline(admin.TabularInline[Any, Card]):
    """Rows that only the system writes."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never by hand."""
        return False


class CheckStateInline(ReadOnlyInline):
    """What the last checks found."""

    model = CheckState
    fields = ("type", "checked_at", "failures", "error", "failing_since", "parked_at")


class CardUsageInline(ReadOnlyInline):
    """What the card has used."""

    model = CardUsage
    fields = ("cycle_start", "used_mb", "last_month_total_mb", "raw_mb", "measured_at", "suspect_since")


@admin.register(Card)
class CardAdmin(admin.ModelAdmin[Card]):
    """The fleet."""

    list_display = (
        "iccid",
        "msisdn",
        "carrier",
        "agent",
        "category",
        "status",
        "real_name_status",
        "network_status",
        "enable_polling",
    )
    list_select_related = ("carrier", "agent")
    list_filter = ("category", "status", "real_name_status", "network_status", "enable_polling", "carrier")
    list_per_page = 50
    show_full_result_count = False
    paginator = EstimatingPaginator
    ordering = ("-id",)
    search_fields = ("iccid__startswith", "msisdn__startswith")
    search_help_text = "the beginning of an ICCID or an MSISDN"
    autocomplete_fields = ("agent",)
    readonly_fields = ("real_name_status", "network_status", "network_checked_at")
    inlines = (CheckStateInline, CardUsageInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        """Only what the user may see."""
        return Card.objects.visible_to(request.user).order_by(*self.ordering)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Cards are not deleted by hand: their history would go with them."""
        return False
