"""What the system writes about cards: read-only."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin, ScopedReadOnlyAdmin
from cards.models import CardEvent, CardUsage, CheckState, Exemption, ServiceOrder, UsageRecord
from common.admin import OwnedAdmin

ICCID_HELP = _("the beginning of an ICCID")


@admin.register(CheckState)
class CheckStateAdmin(ScopedReadOnlyAdmin[CheckState]):
    """What the last checks found."""

    list_display = ("card", "type", "checked_at", "failures", "error", "failing_since", "parked_at")
    list_select_related = ("card",)
    list_filter = ("type",)
    search_fields = ("card__iccid__startswith",)
    search_help_text = ICCID_HELP


@admin.register(CardUsage)
class CardUsageAdmin(ScopedReadOnlyAdmin[CardUsage]):
    """What cards have used."""

    list_display = ("card", "cycle_start", "used_mb", "last_month_total_mb", "measured_at", "suspect_since")
    list_select_related = ("card",)
    search_fields = ("card__iccid__startswith",)
    search_help_text = ICCID_HELP


@admin.register(UsageRecord)
class UsageRecordAdmin(ScopedReadOnlyAdmin[UsageRecord]):
    """The history of usage; a card's page leads to its own."""

    list_display = ("card_id", "recorded_at", "measured_at", "raw_mb", "used_mb", "delta_mb")
    search_fields = ("card_id__exact",)
    search_help_text = _("the id of a card; its page has a link to its records")


@admin.register(CardEvent)
class CardEventAdmin(ScopedReadOnlyAdmin[CardEvent]):
    """The stories of cards."""

    list_display = ("at", "card", "kind", "before", "after", "cause")
    list_select_related = ("card",)
    list_filter = ("kind",)
    search_fields = ("card__iccid__startswith",)
    search_help_text = ICCID_HELP


@admin.register(ServiceOrder)
class ServiceOrderAdmin(ScopedReadOnlyAdmin[ServiceOrder]):
    """What was, or is to be, suspended and resumed."""

    list_display = ("created_at", "card", "action", "reason", "status", "attempts", "error", "requested_by")
    list_select_related = ("card", "requested_by")
    list_filter = ("status", "action", "reason")
    search_fields = ("card__iccid__startswith",)
    search_help_text = ICCID_HELP


@admin.register(Exemption)
class ExemptionAdmin(OwnedAdmin[Exemption], ScopedAdmin[Exemption]):
    """Who is never suspended for a quota, and who said so."""

    list_display = ("card", "agent", "reason", "owner", "expires_at")
    list_select_related = ("card", "agent", "owner")
    autocomplete_fields = ("card", "agent")
    search_fields = ("card__iccid__startswith", "agent__name__startswith")
    search_help_text = _("the beginning of an ICCID or of an agent's name")
