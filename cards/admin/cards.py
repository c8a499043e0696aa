"""Cards in the admin. Every change goes through `cards.lifecycle`; what the system itself writes is read-only."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.validators import RegexValidator
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_scoping import ScopedAdmin
from audit.models import Action
from audit.recording import record
from cards import lifecycle
from cards.admin import links, panels
from cards.lifecycle import NewCard
from cards.models import (
    Card,
    CardEvent,
    CardUsage,
    CheckState,
    ServiceOrder,
    Subscription,
    UsageRecord,
)
from common import database
from common.admin_confirming import ask, is_confirmed
from common.errors import DomainError

# An action is one transaction of a request; more is what the API's batches are for.
MAX_CARDS = 10_000


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


class SubscriptionInline(ReadOnlyInline):
    """The card's own plans."""

    model = Subscription
    verbose_name_plural = _("own subscriptions")
    fields = ("plan", "kind", "used_mb", "quota_mb", "virtual_quota_mb", "period_start", "ends_at", "state")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """With their plans."""
        return super().get_queryset(request).select_related("plan")


def _number(label: Any, pattern: str, must: Any) -> forms.CharField:
    """A number that need not be known."""
    return forms.CharField(
        label=label,
        required=False,
        empty_value=None,
        validators=[RegexValidator(pattern, must)],
        help_text=must,
    )


class CardForm(forms.ModelForm[Card]):
    """Says at its field when an ICCID is taken: the database's rule is about cards that are not deleted."""

    imsi = _number(_("IMSI"), r"^[0-9]{6,15}$", _("6 to 15 digits"))
    msisdn = _number(_("MSISDN"), r"^[0-9]{5,15}$", _("5 to 15 digits, without + and spaces"))

    class Meta:
        model = Card
        fields = ("iccid",)

    def clean_iccid(self) -> str:
        """Not that of another card."""
        iccid = str(self.cleaned_data["iccid"])
        if Card.objects.present().filter(iccid=iccid).exists():
            raise forms.ValidationError(_("There is a card with this ICCID already."))
        return iccid

    def clean(self) -> dict[str, Any]:
        """A gateway is an account at one carrier."""
        cleaned = super().clean() or {}
        gateway, carrier = cleaned.get("gateway"), cleaned.get("carrier")
        if gateway and carrier and gateway.carrier_id != carrier.pk:
            raise forms.ValidationError({"gateway": _("This gateway belongs to another carrier.")})
        return cleaned


@admin.register(Card)
class CardAdmin(ScopedAdmin[Card]):
    """The fleet."""

    form = CardForm
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
    search_fields = ("iccid__startswith", "msisdn__startswith")
    search_help_text = _("the beginning of an ICCID or an MSISDN")
    autocomplete_fields = ("agent", "device")
    fields = (
        "iccid", "imsi", "msisdn", "carrier", "gateway", "agent", "device", "category", "status", "enable_polling",
        "real_name_status", "network_status", "network_checked_at", "suspended_by", "more",
    )  # fmt: skip
    inlines = (CheckStateInline, CardUsageInline, SubscriptionInline)
    actions: Sequence[Any] = ("enable_polling", "disable_polling", "delete_cards")

    def get_readonly_fields(self, request: HttpRequest, obj: Card | None = None) -> Any:
        """What checks and orders find out, and the number of a card that exists."""
        own = ("real_name_status", "network_status", "network_checked_at", "suspended_by", "more")
        return own if obj is None else ("iccid", *own, *panels.registered())

    def get_fields(self, request: HttpRequest, obj: Card | None = None) -> Any:
        """What cards know of themselves, and what others show of one that exists."""
        return self.fields if obj is None else (*self.fields, *panels.registered())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """ICCIDs are stored in capitals."""
        return super().get_search_results(request, queryset, search_term.upper())

    @admin.display(description=_("more of this card"))
    def more(self, card: Card) -> str:
        """Lists of what is too long for this page."""
        own = links.lists(
            card.pk,
            (CardEvent, "card__id__exact", _("story")),
            (UsageRecord, "card_id", _("usage records")),
            (ServiceOrder, "card__id__exact", _("service orders")),
        )
        shared = links.lists(
            card.device_id, (Subscription, "device__id__exact", _("subscriptions of its device"))
        )
        return format_html("{} · {}", own, shared) if card.device_id else own

    def save_model(self, request: HttpRequest, obj: Card, form: Any, change: Any) -> None:
        """Create or change through `lifecycle`."""
        cause, now = f"admin: {request.user}", database.now()
        if change:
            columns = {Card._meta.get_field(name).attname for name in form.changed_data}  # type: ignore[union-attr]
            values: Any = {column: getattr(obj, column) for column in columns}
            if values:
                lifecycle.change([obj.pk], cause=cause, now=now, **values)
            return
        [obj.pk] = lifecycle.create([_new(obj)], cause=cause, now=now)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows stay for their history; the action *Delete* hides them."""
        return False

    @admin.action(description=_("Enable polling"), permissions=["change"])
    def enable_polling(self, request: HttpRequest, queryset: QuerySet[Card]) -> None:
        """Check them again."""
        self._act(request, queryset, lambda cards, **why: lifecycle.change(cards, enable_polling=True, **why))

    @admin.action(description=_("Disable polling"), permissions=["change"])
    def disable_polling(self, request: HttpRequest, queryset: QuerySet[Card]) -> None:
        """Check them no more."""
        self._act(
            request, queryset, lambda cards, **why: lifecycle.change(cards, enable_polling=False, **why)
        )

    @admin.action(description=_("Delete: hide them and end their plans"), permissions=["change"])
    def delete_cards(self, request: HttpRequest, queryset: QuerySet[Card]) -> HttpResponse | None:
        """Delete softly, when the user is sure."""
        if not is_confirmed(request):
            count = queryset.order_by()[: MAX_CARDS + 1].count()
            text = ngettext(
                "Delete %(count)d card? It is not checked any more, and its plan ends.",
                "Delete %(count)d cards? They are not checked any more, and their plans end.",
                count,
            )
            return ask(request, text % {"count": count})
        self._act(request, queryset, lifecycle.delete)
        return None

    def _act(self, request: HttpRequest, queryset: QuerySet[Card], act: Any) -> None:
        cards = list(queryset.order_by().values_list("pk", flat=True)[: MAX_CARDS + 1])
        if len(cards) > MAX_CARDS:
            messages.error(
                request, _("At most %(most)d cards at a time; nothing was changed.") % {"most": MAX_CARDS}
            )
            return
        try:
            with transaction.atomic():
                changed = act(cards, cause=f"admin: {request.user}", now=database.now())
                if changed:
                    told = {"action": request.POST["action"], "card_ids": sorted(changed)}
                    record(request.user, Action.CHANGED, Card, after=told)
        except DomainError as error:
            messages.error(request, str(error))
            return
        text = ngettext("%(count)d card changed.", "%(count)d cards changed.", len(changed))
        messages.success(request, text % {"count": len(changed)})


def _new(card: Card) -> NewCard:
    return NewCard(
        iccid=card.iccid,
        carrier_id=card.carrier_id,
        agent_id=card.agent_id,
        imsi=card.imsi,
        msisdn=card.msisdn,
        gateway_id=card.gateway_id,
        device_id=card.device_id,
        category=Card.Category(card.category),
        status=Card.Status(card.status),
        enable_polling=card.enable_polling,
    )
