"""The admin pages for carriers and gateways. Credentials can be set but never read."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import DeletedWhenUnused, ScopedAdmin
from accounts.roles import Role
from carriers import limits
from carriers.clients.registry import unusable_reason
from carriers.cycles import BillingCalendar
from carriers.models import Carrier, Gateway
from common import database
from common.fields import Sealed
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis

# A change of these fields is previewed.
_RISKY_FIELDS = {"time_zone", "billing_day", "counter"}


class GatewayForm(forms.ModelForm[Gateway]):
    """The form for a gateway. An empty credentials field leaves the stored credentials unchanged."""

    credentials = forms.CharField(
        label=_("Credentials"),
        required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=_(
            'JSON, e.g. {"app_id": "...", "secret": "..."}. Leave empty to keep the current credentials.'
        ),
    )

    class Meta:
        model = Gateway
        fields = (
            "carrier",
            "name",
            "adapter",
            "base_url",
            "credentials",
            "timeout_seconds",
            "batch_size",
            "max_concurrency",
            "calls_per_second",
            "is_enabled",
            "paused_until",
            "pause_reason",
            "is_default",
        )

    def clean_credentials(self) -> str | Sealed:
        """Return the entered credentials. If none were entered, return the stored ones, still encrypted."""
        entered = str(self.cleaned_data["credentials"])
        if not entered and self.instance.pk is None:
            raise forms.ValidationError(_("A new gateway needs credentials."))
        return entered or self.instance.credentials

    def clean(self) -> dict[str, Any]:
        """Return the cleaned data. Raise ValidationError when the entered credentials cannot be used."""
        cleaned = super().clean() or {}
        entered = self.cleaned_data.get("credentials")
        if isinstance(entered, str) and {"base_url", "adapter"} <= cleaned.keys():
            reason = unusable_reason(cleaned["adapter"], base_url=cleaned["base_url"], credentials=entered)
            if reason:
                raise forms.ValidationError({"credentials": reason})
        return cleaned


class CarrierForm(forms.ModelForm[Carrier]):
    """The form for a carrier. It shows what a changed calendar or counter will do, and asks to confirm it."""

    confirmed = forms.BooleanField(
        label=_("Confirm"),
        required=False,
        help_text=_("needed to change the time zone, the billing day or the counter"),
    )

    class Meta:
        model = Carrier
        fields = (
            "code",
            "name",
            "time_zone",
            "billing_day",
            "counter",
            "stamp_grain",
            "figures_delay_minutes",
            "max_mbit_per_second",
        )

    def clean(self) -> dict[str, Any]:
        """Return the cleaned data. Raise ValidationError with a preview of a change that is not confirmed."""
        cleaned = super().clean() or {}
        is_risky = bool(_RISKY_FIELDS & set(self.changed_data))
        is_valid = not self.errors and self._are_valid(cleaned)
        if self.instance.pk and is_risky and is_valid and not cleaned.get("confirmed"):
            raise forms.ValidationError({"confirmed": self._preview(cleaned)})
        return cleaned

    def _are_valid(self, cleaned: Mapping[str, Any]) -> bool:
        """Return whether the model accepts the values that the preview needs. It reports others by itself, later."""
        try:
            Carrier(**{name: cleaned[name] for name in _RISKY_FIELDS}).clean_fields(
                exclude={field.name for field in Carrier._meta.fields} - _RISKY_FIELDS
            )
        except forms.ValidationError:
            return False
        return True

    def _preview(self, cleaned: Mapping[str, Any]) -> str:
        now = database.now()
        stored = Carrier.objects.get(pk=self.instance.pk).calendar
        is_readable = stored.is_readable
        calendar = BillingCalendar(
            cleaned["time_zone"], cleaned["billing_day"], stored.change_at(now) if is_readable else None
        )
        totals = self.instance.card_set.filter(deleted_at__isnull=True).aggregate(
            cards=Count("pk"), used_mb=Coalesce(Sum("usage__used_mb"), Decimal(0))
        )
        cycle = calendar.cycle_of(now)
        began, ends = calendar.bounds_of(cycle)
        text = _(
            "%(cards)s cards, which have used %(used_mb)s MB in their current cycles, will follow the new settings "
            "from %(ends)s UTC on. Until then, the current cycle and the periods of subscriptions continue: this "
            "cycle will last %(days)s days. %(warning)sTo undo the change, change it back before %(undo)s UTC. Tick "
            "this box and save again to apply it."
        )
        warning = _(
            "Quotas do not grow with it, so no card on a monthly plan is proposed for suspension in it. "
        )
        return text % {
            "cards": f"{totals['cards']:,}",
            "used_mb": f"{totals['used_mb']:,.0f}",
            "ends": f"{ends:%Y-%m-%d %H:%M}",
            "days": round((ends - began) / timedelta(days=1)),
            "warning": warning if calendar.is_stretched(cycle) else "",
            # After the next boundary of the old settings, these would make another long cycle.
            "undo": f"{min(ends, stored.next_start(now) if is_readable else ends):%Y-%m-%d %H:%M}",
        }


@admin.register(Carrier)
class CarrierAdmin(DeletedWhenUnused[Carrier], ScopedAdmin[Carrier]):
    """The admin page for carriers, sorted by code."""

    form = CarrierForm
    list_display = ("name", "code", "time_zone", "billing_day", "counter")
    ordering = ("code",)
    readonly_fields = ("running_cycle",)
    search_fields = ("name", "code")

    @admin.display(description=_("running cycle"))
    def running_cycle(self, carrier: Carrier) -> str:
        """Return from when until when the present cycle lasts, and the settings that it began with."""
        # `carrier` may be new, or have invalid values that were just entered.
        stored = Carrier.objects.filter(pk=carrier.pk).first()
        if stored is None or not stored.calendar.is_readable:
            return "-"
        calendar, now = stored.calendar, database.now()
        cycle = calendar.cycle_of(now)
        began, ends = calendar.bounds_of(cycle)
        text = f"{began:%Y-%m-%d %H:%M} - {ends:%Y-%m-%d %H:%M} UTC"
        if calendar.change is None or cycle != calendar.change.running_cycle:
            return text
        note = _(
            "%(cycle)s; it began on day %(day)s in %(zone)s, and the settings above apply from its end on"
        )
        return note % {"cycle": text, "day": cycle.day, "zone": calendar.change.time_zone}


@admin.register(Gateway)
class GatewayAdmin(DeletedWhenUnused[Gateway], ScopedAdmin[Gateway]):
    """The admin page for gateways. Only administrators may add gateways and set credentials."""

    form = GatewayForm
    list_display: tuple[str, ...] = (
        "name",
        "carrier",
        "base_url",
        "batch_size",
        "max_concurrency",
        "is_enabled",
        "is_default",
    )
    list_select_related = ("carrier",)
    list_filter = ("is_enabled", "carrier")
    ordering = ("carrier", "name")
    search_fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A new gateway needs credentials, which only administrators may set.
        return super().has_add_permission(request) and _may_write_secrets(request)

    def get_form(
        self,
        request: HttpRequest,
        obj: Gateway | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 -- as Django calls it
        **kwargs: Any,
    ) -> type[forms.ModelForm[Gateway]]:
        # Show the credentials field only to administrators.
        form = super().get_form(request, obj, change=change, **kwargs)
        if not _may_write_secrets(request):
            form.base_fields.pop("credentials", None)
        return form

    def save_model(self, request: HttpRequest, obj: Gateway, form: Any, change: Any) -> None:
        # If Redis is down now, the limit is written to Redis within ten seconds after Redis is back.
        super().save_model(request, obj, form, change)
        with degraded_without_redis("a gateway's limit has not taken effect yet", gateway=obj.pk) as degraded:
            limits.publish_one(for_web(), obj)
        if degraded.is_on:
            messages.warning(
                request, _("Saved. Redis does not answer; the limit takes effect when Redis is back.")
            )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # Preselect the adapter, because there is only one.
        return {"adapter": "json", **super().get_changeform_initial_data(request)}


def _may_write_secrets(request: HttpRequest) -> bool:
    return getattr(request.user, "role", None) == Role.ADMINISTRATOR
