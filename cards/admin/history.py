"""The admin page for exemptions, and read-only pages for the rows that the system writes about cards."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_scoping import ScopedAdmin, ScopedReadOnlyAdmin
from audit.models import Action
from audit.recording import record
from cards.admin.search import CardRowsAdmin, by_card
from cards.meter_decisions import Decision, changes, decide
from cards.models import (
    Card,
    CardEvent,
    CardUsage,
    CheckState,
    CounterFinding,
    CounterSurvey,
    Exemption,
    ServiceOrder,
    UsageRecord,
)
from common import database
from common.admin import OwnedAdmin
from common.admin_confirmation import confirmation_page, is_confirmed

# One action decides about at most this many cards, because it does so in one request and one transaction.
MAX_DECIDED = 1_000


@admin.register(CheckState)
class CheckStateAdmin(CardRowsAdmin[CheckState]):
    """The read-only page for check states: the last result of each type of check for each card."""

    list_display = ("card", "type", "checked_at", "failures", "error", "failing_since", "parked_at")
    list_select_related = ("card",)
    list_filter = ("type",)


class CertaintyFilter(admin.SimpleListFilter):
    """A filter for meters that readings contradict, or whose usage is uncertain for one reason."""

    title = _("certainty")
    parameter_name = "certainty"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the choices."""
        doubts = CardUsage._meta.get_field("doubt").choices or ()
        return (("suspect", _("readings contradict the meter")), *doubts)

    def queryset(self, request: HttpRequest, queryset: QuerySet[CardUsage]) -> QuerySet[CardUsage]:
        """Return the meters that match the chosen value."""
        if self.value() is None:
            return queryset
        if self.value() == "suspect":
            return queryset.filter(suspect_since__isnull=False)
        return queryset.filter(doubt=self.value())


@admin.register(CounterFinding)
class CounterFindingAdmin(ScopedReadOnlyAdmin[CounterFinding]):
    """The page for what is wrong with the counters of carriers. A finding can be dismissed."""

    list_display = ("__str__", "carrier", "gateway", "kind", "since")
    list_select_related = ("carrier", "gateway")
    actions = ("dismiss",)

    def has_dismiss_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may dismiss findings."""
        return request.user.has_perm("carriers.change_carrier")

    @admin.action(description=_("Dismiss: the figures are right"), permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[CounterFinding]) -> HttpResponse | None:
        """End the chosen findings. The next survey finds again what the counters still show."""
        if not is_confirmed(request):
            question = _(
                "Dismiss these findings? Then cards of these carriers can be proposed for suspension."
            )
            return confirmation_page(request, str(question))
        with transaction.atomic():
            for finding in queryset.select_for_update(of=("self",)):
                record(request.user, Action.DELETED, finding, before={"finding": str(finding)})
                finding.delete()
        return None


@admin.register(CounterSurvey)
class CounterSurveyAdmin(ScopedReadOnlyAdmin[CounterSurvey]):
    """The read-only page for the latest survey of each carrier's counters."""

    list_display = (
        "carrier",
        "surveyed_at",
        "cycle_start",
        "cards",
        "restarted",
        "awaited",
        "late",
        "earliest_restart",
        "median_restart",
        "uncertain",
    )
    list_select_related = ("carrier",)


@admin.register(CardUsage)
class CardUsageAdmin(CardRowsAdmin[CardUsage]):
    """The read-only page for the meters of cards."""

    list_display = (
        "card",
        "cycle_start",
        "used_mb",
        "at_least",
        "at_most",
        "last_month_total_mb",
        "measured_at",
        "suspect_since",
        "doubt",
    )
    list_filter = (CertaintyFilter, "card__carrier")
    list_select_related = ("card",)
    actions = ("accept_counter", "keep_usage")

    @admin.display(description=_("at least (MB)"))
    def at_least(self, usage: CardUsage) -> Decimal:
        """Return the least that the card can have used in the cycle."""
        return usage.low_mb

    @admin.display(description=_("at most (MB)"))
    def at_most(self, usage: CardUsage) -> Decimal:
        """Return the most that the card can have used in the cycle."""
        return usage.high_mb

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may decide about uncertain usage."""
        return request.user.has_perm("cards.change_card")

    @admin.action(description=_("Uncertain usage: accept the carrier's counter"), permissions=["decide"])
    def accept_counter(self, request: HttpRequest, queryset: QuerySet[CardUsage]) -> HttpResponse | None:
        """Add to the usage of the chosen cards what the counter shows beyond it."""
        return self._decide(request, queryset, Decision.ACCEPT_COUNTER)

    @admin.action(
        description=_("Uncertain usage: keep what was counted, without a doubted rise"),
        permissions=["decide"],
    )
    def keep_usage(self, request: HttpRequest, queryset: QuerySet[CardUsage]) -> HttpResponse | None:
        """Keep the usage of the chosen cards, but take doubted rises back. Measure growth from the counter."""
        return self._decide(request, queryset, Decision.KEEP_USAGE)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[CardUsage], decision: Decision
    ) -> HttpResponse | None:
        cards = list(queryset.order_by().values_list("card_id", flat=True)[: MAX_DECIDED + 1])
        if len(cards) > MAX_DECIDED:
            refusal = _("You can decide about at most %(max)d cards at a time. Nothing was changed.")
            messages.error(request, refusal % {"max": MAX_DECIDED})
            return None
        if not is_confirmed(request):
            return confirmation_page(request, _question(cards, decision))
        with transaction.atomic():
            changed = decide(cards, decision, cause=f"admin: {request.user}", now=database.now())
            if changed:
                details = {"action": request.POST["action"], "card_ids": changed}
                record(request.user, Action.CHANGED, CardUsage, after=details)
        text = ngettext("%(count)d card changed.", "%(count)d cards changed.", len(changed))
        messages.success(request, text % {"count": len(changed)})
        return None


def _question(cards: Sequence[int], decision: Decision) -> str:
    """Return the question to confirm: how many cards change, and by how much."""
    uncertain = changes(cards, decision)
    text = ngettext(
        "%(decision)s of %(count)d uncertain card? It counts as certain from then on. Its usage changes by "
        "%(total)s MB.",
        "%(decision)s of %(count)d uncertain cards? They count as certain from then on. Their usage changes by "
        "%(total)s MB in all, that of a single card by %(least)s to %(most)s MB.",
        len(uncertain),
    )
    return text % {
        "decision": decision.value.capitalize(),
        "count": len(uncertain),
        "total": f"{sum(uncertain):+,.1f}",
        "least": f"{min(uncertain, default=0):+,.1f}",
        "most": f"{max(uncertain, default=0):+,.1f}",
    }


@admin.register(UsageRecord)
class UsageRecordAdmin(CardRowsAdmin[UsageRecord]):
    """The read-only page for usage records. Each card's page links here, filtered by that card."""

    list_display = ("iccid", "recorded_at", "measured_at", "raw_mb", "used_mb", "delta_mb", "reason")

    @admin.display(description=_("card"))
    def iccid(self, record: UsageRecord) -> str:
        """Return the ICCID that `get_changelist_instance` found for the record's card."""
        return str(vars(record)["iccid"])

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        # `card_id` is not a foreign key, so Django cannot join. Look up all ICCIDs of the page in one query.
        changelist = super().get_changelist_instance(request)
        cards = {row.card_id for row in changelist.result_list}
        iccids = dict(Card.objects.filter(pk__in=cards).values_list("pk", "iccid"))
        for row in changelist.result_list:
            vars(row)["iccid"] = iccids.get(row.card_id, "-")
        return changelist


# Kind of event -> stored value -> label. The values of kinds that are not listed are shown as stored.
_LABELS: dict[str, dict[str, Any]] = {
    CardEvent.Kind.STATUS: {str(value): label for value, label in Card.Status.choices},
    CardEvent.Kind.CATEGORY: dict(Card.Category.choices),
    CardEvent.Kind.REAL_NAME: dict(Card.RealNameStatus.choices),
    CardEvent.Kind.NETWORK: dict(Card.NetworkStatus.choices),
    CardEvent.Kind.POLLING: {"true": _("yes"), "false": _("no")},
}


def _label(kind: str, value: str) -> str:
    return str(_LABELS.get(kind, {}).get(value, value))


@admin.register(CardEvent)
class CardEventAdmin(CardRowsAdmin[CardEvent]):
    """The read-only page for the events of cards."""

    list_display = ("at", "card", "kind", "was", "became", "cause")
    list_select_related = ("card",)
    list_filter = ("kind",)

    @admin.display(description=_("before"))
    def was(self, event: CardEvent) -> str:
        """Return the label of the old value."""
        return _label(event.kind, event.before)

    @admin.display(description=_("after"))
    def became(self, event: CardEvent) -> str:
        """Return the label of the new value."""
        return _label(event.kind, event.after)


@admin.register(ServiceOrder)
class ServiceOrderAdmin(CardRowsAdmin[ServiceOrder]):
    """The read-only page for orders to suspend or resume cards."""

    list_display = ("created_at", "card", "action", "reason", "status", "attempts", "error", "requested_by")
    list_select_related = ("card", "requested_by")
    list_filter = ("status", "action", "reason")


class ExemptionForm(forms.ModelForm[Exemption]):
    """A form that exempts either one card or one agent, until a time in the future."""

    class Meta:
        model = Exemption
        fields = ("card", "agent", "reason", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("card")) == bool(cleaned.get("agent")):
            raise forms.ValidationError(_("Choose a card or an agent."))
        return cleaned

    def clean_expires_at(self) -> datetime:
        expires_at: datetime = self.cleaned_data["expires_at"]
        if expires_at <= database.now():
            raise forms.ValidationError(_("This must be in the future."))
        return expires_at


@admin.register(Exemption)
class ExemptionAdmin(OwnedAdmin[Exemption], ScopedAdmin[Exemption]):
    """The page for exemptions, which protect cards from being suspended for exceeding their quota."""

    form = ExemptionForm
    list_display = ("card", "agent", "reason", "owner", "expires_at")
    list_select_related = ("card", "agent", "owner")
    autocomplete_fields = ("card", "agent")
    search_fields = ("card__iccid__startswith", "agent__name")
    search_help_text = _("the beginning of an ICCID, its last six digits, or an agent's name")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        named = Q(agent__name__icontains=search_term.strip())
        return queryset.filter(by_card(request.user, search_term) | named), False
