"""The admin pages for plans and subscriptions. `cards.subscriptions` starts and ends the subscriptions."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_scoping import DeletedWhenUnused, ScopedAdmin
from cards import subscriptions
from cards.admin.search import SearchedByCard, ids_or_subquery
from cards.models import Device, Plan, Subscription
from cards.subscriptions import Owner
from common import database
from common.admin_confirmation import confirmation_page, is_confirmed

# One request may end at most this many subscriptions.
MAX_ENDED = 10_000


@admin.register(Plan)
class PlanAdmin(DeletedWhenUnused[Plan], ScopedAdmin[Plan]):
    """The admin page for plans. Changing a plan does not affect subscriptions that have already begun."""

    list_display = ("name", "code", "quota_mb", "virtual_quota_mb", "cycle", "auto_suspend")
    list_filter = ("cycle", "auto_suspend")
    ordering = ("code",)
    search_fields = ("code__startswith", "name__startswith")


class SubscriptionForm(forms.ModelForm[Subscription]):
    """A form that starts a plan for a card or a device, or adds an add-on to the current plan.

    A new plan replaces the current one.
    """

    # This field replaces the model's `kind`. If `kind` were in the form, Django's unique check would reject a
    # new plan until the current plan has ended.
    is_add_on = forms.BooleanField(
        label=_("Add-on"),
        required=False,
        help_text=_("Adds quota to the current plan. Otherwise, the new plan replaces the current plan now."),
    )

    class Meta:
        model = Subscription
        fields = ("card", "device", "plan", "carrier", "ends_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The carrier is optional here, because a card has its own. For a device, `clean` requires a carrier.
        if "carrier" in self.fields:
            self.fields["carrier"].required = False
            self.fields["carrier"].help_text = _(
                "Required for a device, whose periods follow this carrier's time zone and billing months. "
                "A card uses its own carrier."
            )
            self.fields["ends_at"].help_text = _(
                "Only for an add-on. If this is empty, the add-on does not expire."
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        card, device = cleaned.get("card"), cleaned.get("device")
        if not self.errors and bool(card) == bool(device):
            raise forms.ValidationError(_("Choose a card or a device."))
        if device and not cleaned.get("carrier"):
            raise forms.ValidationError({"carrier": _("A device needs a carrier.")})
        if cleaned.get("ends_at") and not cleaned["is_add_on"]:
            raise forms.ValidationError(
                {
                    "ends_at": _(
                        "Only an add-on can have an end. A plan continues until it is ended or replaced."
                    )
                }
            )
        if cleaned.get("ends_at") and cleaned["ends_at"] <= database.now():
            raise forms.ValidationError({"ends_at": _("This must be in the future.")})
        return cleaned


@admin.register(Subscription)
class SubscriptionAdmin(SearchedByCard[Subscription]):
    """The admin page for subscriptions. A subscription can be started and ended, but not edited."""

    form = SubscriptionForm
    list_display = (
        "card", "device", "plan", "kind", "used_mb", "quota_mb", "virtual_quota_mb", "period_start", "ends_at", "state",
        "possible_state",
    )  # fmt: skip
    list_select_related = ("card", "device", "plan")
    list_filter = ("state", "kind", "plan")
    search_help_text = _(
        "the beginning of an ICCID, an MSISDN or a device's serial number, or the end of an ICCID"
    )
    autocomplete_fields = ("card", "device", "plan")
    readonly_fields = ("owner",)
    actions = ("end",)

    def search_filter(self, user: Any, term: str) -> Q:
        """Return a filter by the card, or by the beginning of the device's serial number."""
        devices = Device.objects.visible_to(user).filter(serial__startswith=term.strip())
        return super().search_filter(user, term) | Q(device_id__in=ids_or_subquery(devices))

    def get_fields(self, request: HttpRequest, obj: Subscription | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("card", "device", "plan", "carrier", "is_add_on", "ends_at")
        shown = (
            field.name for field in Subscription._meta.fields if field.name not in {"id", "card", "device"}
        )
        return ("owner", *shown)

    @admin.display(description=_("card or device"))
    def owner(self, subscription: Subscription) -> str:
        """Return the ICCID of the card, or the serial number of the device."""
        return str(subscription.card or subscription.device)

    def has_change_permission(self, request: HttpRequest, obj: Subscription | None = None) -> bool:
        # A subscription can be ended or replaced, but never edited.
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Ended subscriptions are kept, because their usage is part of the history.
        return False

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: Any) -> None:
        # `cards.subscriptions` inserts the row, so copy that row to `obj` instead of saving `obj`.
        values, now = form.cleaned_data, database.now()
        card, device, plan = values["card"], values["device"], values["plan"]
        owner = Owner.of_card(card) if card else Owner(values["carrier"], device=device)
        if values["is_add_on"]:
            created = subscriptions.add(owner, plan, now=now, ends_at=values["ends_at"])
        else:
            present = Subscription.objects.filter(**owner.lookup(), kind=Subscription.Kind.MAIN, ends_at=None)
            for replaced in present.select_related("plan"):
                messages.info(request, _("The previous plan, %(plan)s, has ended.") % {"plan": replaced.plan})
            created = subscriptions.start(owner, plan, now=now)
        vars(obj).update(vars(created))

    @admin.action(description=_("End now"), permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> HttpResponse | None:
        """Ask for confirmation, then end the chosen subscriptions that are in force."""
        now = database.now()
        chosen = list(queryset.in_force_at(now).order_by().values_list("pk", flat=True)[: MAX_ENDED + 1])  # type: ignore[attr-defined]
        if len(chosen) > MAX_ENDED:
            messages.error(
                request, _("You can end at most %(max)d at a time. None was ended.") % {"max": MAX_ENDED}
            )
        elif not is_confirmed(request):
            text = ngettext(
                "End %(count)d subscription now?", "End %(count)d subscriptions now?", len(chosen)
            )
            return confirmation_page(request, text % {"count": len(chosen)})
        else:
            ended = len(subscriptions.end(chosen, now=now))
            messages.success(request, _("%(count)d ended.") % {"count": ended})
        return None
