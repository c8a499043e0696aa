"""Cards in the admin; what the system itself writes is read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.roles import Role
from cards.models import Card, CardUsage, CheckState, UsageRecord
from common.admin import LargeTableAdmin, ReadOnlyAdmin


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
class CardAdmin(LargeTableAdmin[Card]):
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
    ordering = ("-id",)
    search_fields = ("iccid__startswith", "msisdn__startswith")
    search_help_text = "the beginning of an ICCID or an MSISDN"
    autocomplete_fields = ("agent",)
    readonly_fields = ("real_name_status", "network_status", "network_checked_at")
    inlines = (CheckStateInline, CardUsageInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        """Only what the user may see."""
        return Card.objects.visible_to(request.user).order_by(*self.ordering)

    def sees_everything(self, request: HttpRequest) -> bool:
        """Agents see a part."""
        return isinstance(request.user, User) and request.user.role in Role.of_staff()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Cards are not deleted by hand: their history would go with them."""
        return False


class ScopedRowsAdmin(ReadOnlyAdmin[Any]):
    """Rows that belong to cards: only those of cards that the user may see."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Everything for those who see everything, else by card."""
        rows = super().get_queryset(request)
        if self.sees_everything(request):
            return rows
        return rows.filter(card_id__in=Card.objects.visible_to(request.user).values("id"))

    def sees_everything(self, request: HttpRequest) -> bool:
        """Agents see a part."""
        return isinstance(request.user, User) and request.user.role in Role.of_staff()


@admin.register(CheckState)
class CheckStateAdmin(ScopedRowsAdmin):
    """What the last checks found; filter by check, search by the beginning of an ICCID."""

    list_display = ("card", "type", "checked_at", "failures", "error", "failing_since", "parked_at")
    list_select_related = ("card",)
    list_filter = ("type",)
    search_fields = ("card__iccid__startswith",)
    ordering = ("-id",)


@admin.register(CardUsage)
class CardUsageAdmin(ScopedRowsAdmin):
    """What cards have used."""

    list_display = ("card", "cycle_start", "used_mb", "last_month_total_mb", "measured_at", "suspect_since")
    list_select_related = ("card",)
    search_fields = ("card__iccid__startswith",)
    ordering = ("-id",)


@admin.register(UsageRecord)
class UsageRecordAdmin(ScopedRowsAdmin):
    """The history of usage; search by a card's id."""

    list_display = ("card_id", "recorded_at", "measured_at", "raw_mb", "used_mb", "delta_mb")
    search_fields = ("card_id__exact",)
    ordering = ("-id",)
