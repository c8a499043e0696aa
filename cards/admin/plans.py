"""Plans and subscriptions in the admin. Subscriptions are started and ended through `cards.subscriptions`."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import DeletedWhenUnused, ScopedAdmin
from cards import subscriptions
from cards.admin.search import SearchedByCard, named_or_looked_up
from cards.models import Device, Plan, Subscription
from cards.subscriptions import Owner
from common import database
from common.admin_confirming import ask, is_confirmed

# What fits into a request.
MAX_ENDED = 10_000


@admin.register(Plan)
class PlanAdmin(DeletedWhenUnused[Plan], ScopedAdmin[Plan]):
    """What is sold; a change is for subscriptions to come."""

    list_display = ("name", "code", "quota_mb", "virtual_quota_mb", "cycle", "auto_suspend")
    list_filter = ("cycle", "auto_suspend")
    ordering = ("code",)
    search_fields = ("code__startswith", "name__startswith")


class SubscriptionForm(forms.ModelForm[Subscription]):
    """A plan for a card or a device: in place of the present one, or beside it as an add-on."""

    # Not the row's `kind`: that would be checked against the plan which this one replaces.
    is_add_on = forms.BooleanField(
        label=_("Add-on"),
        required=False,
        help_text=_("more quota beside the present plan; otherwise the present plan ends now"),
    )

    class Meta:
        model = Subscription
        fields = ("card", "device", "plan", "carrier", "ends_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """The carrier is only asked for a device: a card has its own."""
        super().__init__(*args, **kwargs)
        if "carrier" in self.fields:
            self.fields["carrier"].required = False
            self.fields["carrier"].help_text = _(
                "of a device: whose time zone and billing months count; a card's own counts for a card"
            )
            self.fields["ends_at"].help_text = _("of an add-on; empty: it lasts until it is used up")

    def clean(self) -> dict[str, Any]:
        """One owner, with a carrier; only an add-on has an end."""
        cleaned = super().clean() or {}
        card, device = cleaned.get("card"), cleaned.get("device")
        if not self.errors and bool(card) == bool(device):
            raise forms.ValidationError(_("Choose a card or a device."))
        if device and not cleaned.get("carrier"):
            raise forms.ValidationError({"carrier": _("A device needs a carrier.")})
        if cleaned.get("ends_at") and not cleaned["is_add_on"]:
            raise forms.ValidationError({"ends_at": _("A plan lasts until it is ended or replaced.")})
        if cleaned.get("ends_at") and cleaned["ends_at"] <= database.now():
            raise forms.ValidationError({"ends_at": _("This moment is over.")})
        return cleaned


@admin.register(Subscription)
class SubscriptionAdmin(SearchedByCard[Subscription]):
    """Plans in force, and those that were."""

    form = SubscriptionForm
    list_display = (
        "card", "device", "plan", "kind", "used_mb", "quota_mb", "virtual_quota_mb", "period_start", "ends_at", "state",
    )  # fmt: skip
    list_select_related = ("card", "device", "plan")
    list_filter = ("state", "kind", "plan")
    search_help_text = _("the beginning of an ICCID or of a device's serial number")
    autocomplete_fields = ("card", "device", "plan")
    readonly_fields = ("owner",)
    actions = ("end",)

    def found(self, user: Any, beginning: str) -> Q:
        """Of cards, and of devices."""
        devices = Device.objects.visible_to(user).filter(serial__startswith=beginning.strip())
        return super().found(user, beginning) | Q(device_id__in=named_or_looked_up(devices))

    def get_fields(self, request: HttpRequest, obj: Subscription | None = None) -> tuple[str, ...]:
        """What is asked for a new one; all there is to know of one that exists."""
        if obj is None:
            return ("card", "device", "plan", "carrier", "is_add_on", "ends_at")
        known = (
            field.name for field in Subscription._meta.fields if field.name not in {"id", "card", "device"}
        )
        return ("owner", *known)

    @admin.display(description=_("card or device"))
    def owner(self, subscription: Subscription) -> str:
        """Whose it is."""
        return str(subscription.card or subscription.device)

    def has_change_permission(self, request: HttpRequest, obj: Subscription | None = None) -> bool:
        """A subscription is ended, or replaced by another one; it is not edited."""
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was used stays."""
        return False

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: Any) -> None:
        """Start it, in place of the present one, or add it."""
        chosen, now = form.cleaned_data, database.now()
        card, device, plan = chosen["card"], chosen["device"], chosen["plan"]
        owner = Owner.of_card(card) if card else Owner(chosen["carrier"], device=device)
        if chosen["is_add_on"]:
            made = subscriptions.add(owner, plan, now=now, ends_at=chosen["ends_at"])
        else:
            ended = Subscription.objects.filter(**owner.lookup(), kind=Subscription.Kind.MAIN, ends_at=None)
            for old in ended.select_related("plan"):
                messages.info(
                    request, _("It takes the place of %(plan)s, which ended now.") % {"plan": old.plan}
                )
            made = subscriptions.start(owner, plan, now=now)
        vars(obj).update(vars(made))

    @admin.action(description=_("End now"), permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> HttpResponse | None:
        """End those that have not ended, when the user is sure."""
        now = database.now()
        chosen = list(queryset.in_force_at(now).order_by().values_list("pk", flat=True)[: MAX_ENDED + 1])  # type: ignore[attr-defined]
        if len(chosen) > MAX_ENDED:
            messages.error(request, _("At most %(most)d at a time; none was ended.") % {"most": MAX_ENDED})
        elif not is_confirmed(request):
            return ask(request, _("End %(count)d subscriptions now?") % {"count": len(chosen)})
        else:
            ended = len(subscriptions.end(chosen, now=now))
            messages.success(request, _("%(count)d ended.") % {"count": ended})
        return None
