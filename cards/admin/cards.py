"""The admin page for cards. It changes cards only through `cards.lifecycle`.

Columns that the system writes are read-only.
"""

from collections.abc import Sequence
from functools import partial
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
from cards.admin import extensions, links
from cards.admin.search import SEARCH_HELP
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
from cards.models.card import ICCID_PATTERN
from carriers.iccids import plain
from common import database
from common.admin_confirmation import confirmation_page, is_confirmed
from common.errors import DomainError

# One action may change at most this many cards, because it changes them in one request and one transaction.
MAX_CARDS = 10_000


class ReadOnlyInline(admin.TabularInline[Any, Card]):
    """Base class for inline tables of rows that only the system writes."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CheckStateInline(ReadOnlyInline):
    """The results of the card's last checks."""

    model = CheckState
    fields = ("type", "checked_at", "failures", "error", "failing_since", "parked_at")


class CardUsageInline(ReadOnlyInline):
    """The card's meter."""

    model = CardUsage
    fields = (
        "cycle_start",
        "used_mb",
        "last_month_total_mb",
        "raw_mb",
        "measured_at",
        "is_stale",
        "suspect_raw_mb",
        "suspect_since",
        "doubt",
        "doubt_since",
        "at_least",
        "at_most",
    )
    readonly_fields = ("at_least", "at_most", "is_stale")

    @admin.display(description=_("figures stand still"), boolean=True)
    def is_stale(self, usage: CardUsage) -> bool:
        """Return whether the figures stand still although the card is checked."""
        return usage.is_stale

    @admin.display(description=_("at least (MB)"))
    def at_least(self, usage: CardUsage) -> str:
        """Return the least that the card can have used in this cycle."""
        return f"{usage.low_mb:,}"

    @admin.display(description=_("at most (MB)"))
    def at_most(self, usage: CardUsage) -> str:
        """Return the most that the card can have used in this cycle."""
        return f"{usage.high_mb:,}"


class SubscriptionInline(ReadOnlyInline):
    """The card's own subscriptions, without the subscriptions of its device."""

    model = Subscription
    verbose_name_plural = _("own subscriptions")
    fields = (
        "plan",
        "kind",
        "used_mb",
        "quota_mb",
        "virtual_quota_mb",
        "period_start",
        "ends_at",
        "state",
        "possible_state",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        return super().get_queryset(request).select_related("plan")


def _number(label: Any, pattern: str, rule: Any) -> forms.CharField:
    """Return a form field for a number that may be unknown. The form stores an empty value as None."""
    return forms.CharField(
        label=label,
        required=False,
        empty_value=None,
        validators=[RegexValidator(pattern, rule)],
        help_text=rule,
    )


class IccidField(forms.CharField):
    """A form field that accepts an ICCID in any spelling."""

    def to_python(self, value: Any) -> Any:
        return plain(super().to_python(value) or "")


class CardForm(forms.ModelForm[Card]):
    """A form that shows an error next to the ICCID if another card already has it, in any spelling.

    Django's own validation misses such a duplicate, because the condition of the unique constraint uses
    `deleted_at`, and the form has no field for `deleted_at`.
    """

    iccid = IccidField(
        label=_("ICCID"),
        validators=[RegexValidator(ICCID_PATTERN, _("18 to 22 characters, 0-9 and A-F"))],
        help_text=_("Blanks and hyphens may be in it."),
    )
    # The user who fills in the form.
    user: Any = None
    imsi = _number(_("IMSI"), r"^[0-9]{6,15}$", _("6 to 15 digits"))
    msisdn = _number(_("MSISDN"), r"^[0-9]{5,15}$", _("5 to 15 digits, without + and spaces"))

    class Meta:
        model = Card
        fields = ("iccid",)

    def clean_iccid(self) -> str:
        iccid = str(self.cleaned_data["iccid"])
        twins = Card.objects.present().of_sims([iccid])
        if twin := twins.visible_to(self.user).first():
            raise forms.ValidationError(
                _("This SIM card exists already: it is card %(id)d, %(iccid)s."),
                params={"id": twin.pk, "iccid": twin.iccid},
            )
        if twins.exists():
            raise forms.ValidationError(_("This SIM card exists already."))
        return iccid

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        gateway, carrier = cleaned.get("gateway"), cleaned.get("carrier")
        # A gateway is an account at one carrier, so it cannot serve the cards of another carrier.
        if gateway and carrier and gateway.carrier_id != carrier.pk:
            raise forms.ValidationError({"gateway": _("This gateway belongs to another carrier.")})
        return cleaned


@admin.register(Card)
class CardAdmin(ScopedAdmin[Card]):
    """The admin page for cards. Other apps add panels and actions through `cards.admin.extensions`."""

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
    # Django shows the search box only if there are fields. `get_search_results` does the search.
    search_fields = ("iccid__startswith", "msisdn__startswith")
    search_help_text = SEARCH_HELP
    autocomplete_fields = ("agent", "device")
    fields = (
        "iccid", "imsi", "msisdn", "carrier", "gateway", "agent", "device", "category", "status", "enable_polling",
        "real_name_status", "network_status", "network_checked_at", "suspended_by", "more",
    )  # fmt: skip
    inlines = (CheckStateInline, CardUsageInline, SubscriptionInline)

    @property
    def actions(self) -> Sequence[Any]:  # type: ignore[override]
        """The actions defined here, followed by the actions that other apps have added."""
        return ("enable_polling", "disable_polling", "delete_cards", *extensions.actions())

    def get_readonly_fields(self, request: HttpRequest, obj: Card | None = None) -> Any:
        by_system = ("real_name_status", "network_status", "network_checked_at", "suspended_by", "more")
        return by_system if obj is None else ("iccid", *by_system, *extensions.panels())

    def get_fields(self, request: HttpRequest, obj: Card | None = None) -> Any:
        return self.fields if obj is None else (*self.fields, *extensions.panels())

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        # Django makes a new class of the form for each request.
        form: Any = super().get_form(request, *args, **kwargs)
        form.user = request.user
        return form

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        cards: Any = queryset
        return cards.found_by(search_term), False

    @admin.display(description=_("related lists"))
    def more(self, card: Card) -> str:
        """Return links to related lists that are too long to be shown on this page."""
        own = links.lists(
            card.pk,
            (CardEvent, "card__id__exact", _("events")),
            (UsageRecord, "card_id", _("usage records")),
            (ServiceOrder, "card__id__exact", _("service orders")),
        )
        shared = links.lists(
            card.device_id, (Subscription, "device__id__exact", _("subscriptions of its device"))
        )
        return format_html("{} · {}", own, shared) if card.device_id else own

    def save_model(self, request: HttpRequest, obj: Card, form: Any, change: Any) -> None:
        cause, now = f"admin: {request.user}", database.now()
        if change:
            columns = {Card._meta.get_field(name).attname for name in form.changed_data}  # type: ignore[union-attr]
            values: Any = {column: getattr(obj, column) for column in columns}
            if values:
                lifecycle.change([obj.pk], cause=cause, now=now, **values)
            return
        [obj.pk] = lifecycle.create([_new_card(obj)], cause=cause, now=now)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Never delete a card's row, because its history is kept. The action *Delete* hides the card instead.
        return False

    @admin.action(description=_("Enable polling"), permissions=["change"])
    def enable_polling(self, request: HttpRequest, queryset: QuerySet[Card]) -> None:
        """Turn on the checks of the chosen cards."""
        self._act(request, queryset, partial(lifecycle.change, enable_polling=True))

    @admin.action(description=_("Disable polling"), permissions=["change"])
    def disable_polling(self, request: HttpRequest, queryset: QuerySet[Card]) -> None:
        """Turn off the checks of the chosen cards."""
        self._act(request, queryset, partial(lifecycle.change, enable_polling=False))

    @admin.action(description=_("Delete: hide cards and end their plans"), permissions=["change"])
    def delete_cards(self, request: HttpRequest, queryset: QuerySet[Card]) -> HttpResponse | None:
        """Ask for confirmation, then soft-delete the chosen cards."""
        if not is_confirmed(request):
            count = queryset.order_by()[: MAX_CARDS + 1].count()
            text = ngettext(
                "Delete %(count)d card? It will no longer be checked, and its plan will end.",
                "Delete %(count)d cards? They will no longer be checked, and their plans will end.",
                count,
            )
            return confirmation_page(request, text % {"count": count})
        self._act(request, queryset, lifecycle.delete)
        return None

    def _act(self, request: HttpRequest, queryset: QuerySet[Card], act: Any) -> None:
        """Change the chosen cards, write the audit record, and show the user how many cards changed.

        `act(card_ids, cause=..., now=...)` makes the change and returns the ids of the changed cards.
        """
        cards = list(queryset.order_by().values_list("pk", flat=True)[: MAX_CARDS + 1])
        if len(cards) > MAX_CARDS:
            messages.error(
                request,
                _("You can change at most %(max)d cards at a time. Nothing was changed.")
                % {"max": MAX_CARDS},
            )
            return
        try:
            with transaction.atomic():
                changed = act(cards, cause=f"admin: {request.user}", now=database.now())
                if changed:
                    details = {"action": request.POST["action"], "card_ids": sorted(changed)}
                    record(request.user, Action.CHANGED, Card, after=details)
        except DomainError as error:
            messages.error(request, str(error))
            return
        text = ngettext("%(count)d card changed.", "%(count)d cards changed.", len(changed))
        messages.success(request, text % {"count": len(changed)})


def _new_card(card: Card) -> NewCard:
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
