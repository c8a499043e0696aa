"""What the system writes about cards: read-only."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin
from cards.admin.search import CardRowsAdmin
from cards.models import Card, CardEvent, CardUsage, CheckState, Exemption, ServiceOrder, UsageRecord
from common import database
from common.admin import OwnedAdmin


@admin.register(CheckState)
class CheckStateAdmin(CardRowsAdmin[CheckState]):
    """What the last checks found."""

    list_display = ("card", "type", "checked_at", "failures", "error", "failing_since", "parked_at")
    list_select_related = ("card",)
    list_filter = ("type",)


@admin.register(CardUsage)
class CardUsageAdmin(CardRowsAdmin[CardUsage]):
    """What cards have used."""

    list_display = ("card", "cycle_start", "used_mb", "last_month_total_mb", "measured_at", "suspect_since")
    list_select_related = ("card",)


@admin.register(UsageRecord)
class UsageRecordAdmin(CardRowsAdmin[UsageRecord]):
    """The history of usage; a card's page leads to its own."""

    list_display = ("iccid", "recorded_at", "measured_at", "raw_mb", "used_mb", "delta_mb")

    @admin.display(description=_("card"))
    def iccid(self, record: UsageRecord) -> str:
        """The ICCID of its card."""
        return str(vars(record)["iccid"])

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the ICCIDs of its page: there is no foreign key that could be followed."""
        changes = super().get_changelist_instance(request)
        cards = {record.card_id for record in changes.result_list}
        iccids = dict(Card.objects.filter(pk__in=cards).values_list("pk", "iccid"))
        for record in changes.result_list:
            vars(record)["iccid"] = iccids.get(record.card_id, "-")
        return changes


# How stored values of some kinds of events are called.
_LABELS: dict[str, dict[str, Any]] = {
    CardEvent.Kind.STATUS: {str(value): label for value, label in Card.Status.choices},
    CardEvent.Kind.CATEGORY: dict(Card.Category.choices),
    CardEvent.Kind.REAL_NAME: dict(Card.RealNameStatus.choices),
    CardEvent.Kind.NETWORK: dict(Card.NetworkStatus.choices),
    CardEvent.Kind.POLLING: {"true": _("yes"), "false": _("no")},
}


def _in_words(kind: str, value: str) -> str:
    return str(_LABELS.get(kind, {}).get(value, value))


@admin.register(CardEvent)
class CardEventAdmin(CardRowsAdmin[CardEvent]):
    """The stories of cards."""

    list_display = ("at", "card", "kind", "was", "became", "cause")
    list_select_related = ("card",)
    list_filter = ("kind",)

    @admin.display(description=_("before"))
    def was(self, event: CardEvent) -> str:
        """The old value, as people say it."""
        return _in_words(event.kind, event.before)

    @admin.display(description=_("after"))
    def became(self, event: CardEvent) -> str:
        """The new one."""
        return _in_words(event.kind, event.after)


@admin.register(ServiceOrder)
class ServiceOrderAdmin(CardRowsAdmin[ServiceOrder]):
    """What was, or is to be, suspended and resumed."""

    list_display = ("created_at", "card", "action", "reason", "status", "attempts", "error", "requested_by")
    list_select_related = ("card", "requested_by")
    list_filter = ("status", "action", "reason")


class ExemptionForm(forms.ModelForm[Exemption]):
    """Of a card or of an agent, until a day to come."""

    class Meta:
        model = Exemption
        fields = ("card", "agent", "reason", "expires_at")

    def clean(self) -> dict[str, Any]:
        """Exactly one of two."""
        cleaned = super().clean() or {}
        if bool(cleaned.get("card")) == bool(cleaned.get("agent")):
            raise forms.ValidationError(_("Choose a card or an agent."))
        return cleaned

    def clean_expires_at(self) -> datetime:
        """In the future."""
        expires_at: datetime = self.cleaned_data["expires_at"]
        if expires_at <= database.now():
            raise forms.ValidationError(_("This moment is over."))
        return expires_at


@admin.register(Exemption)
class ExemptionAdmin(OwnedAdmin[Exemption], ScopedAdmin[Exemption]):
    """Who is never suspended for a quota, and who said so."""

    form = ExemptionForm
    list_display = ("card", "agent", "reason", "owner", "expires_at")
    list_select_related = ("card", "agent", "owner")
    autocomplete_fields = ("card", "agent")
    search_fields = ("card__iccid__startswith", "agent__name")
    search_help_text = _("the beginning of an ICCID, or an agent's name")
