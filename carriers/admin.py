"""Carriers and gateways in the admin. Credentials can be set, never read."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import DeletedWhenUnused, ScopedAdmin
from accounts.roles import Role
from carriers import limits
from carriers.credentials import why_unusable
from carriers.models import Carrier, Gateway
from common.fields import Sealed
from common.redis.client import for_web
from common.redis.degraded import redis_may_be_away


class GatewayForm(forms.ModelForm[Gateway]):
    """Leaves the credentials as they are when the field is left empty."""

    credentials = forms.CharField(
        label=_("Credentials"),
        required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=_('JSON, e.g. {"app_id": "...", "secret": "..."}. Empty: unchanged.'),
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
        """What was typed, or what is stored, unopened."""
        typed = str(self.cleaned_data["credentials"])
        if not typed and self.instance.pk is None:
            raise forms.ValidationError(_("A new gateway needs credentials."))
        return typed or self.instance.credentials

    def clean(self) -> dict[str, Any]:
        """The client itself says whether it can work with the address and the credentials."""
        cleaned = super().clean() or {}
        typed = self.cleaned_data.get("credentials")
        if isinstance(typed, str) and {"base_url", "adapter"} <= cleaned.keys():
            wrong = why_unusable(cleaned["adapter"], base_url=cleaned["base_url"], credentials=typed)
            if wrong:
                raise forms.ValidationError({"credentials": wrong})
        return cleaned


@admin.register(Carrier)
class CarrierAdmin(DeletedWhenUnused[Carrier], ScopedAdmin[Carrier]):
    """Network operators."""

    list_display = ("name", "code", "time_zone", "billing_day", "counter")
    ordering = ("code",)
    search_fields = ("name", "code")


@admin.register(Gateway)
class GatewayAdmin(DeletedWhenUnused[Gateway], ScopedAdmin[Gateway]):
    """Endpoints of the carriers."""

    form = GatewayForm
    list_display = (
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
        """A new one needs credentials."""
        return super().has_add_permission(request) and _may_write_secrets(request)

    def get_form(
        self,
        request: HttpRequest,
        obj: Gateway | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 -- as Django calls it
        **kwargs: Any,
    ) -> type[forms.ModelForm[Gateway]]:
        """Without the credentials for those who may not write them."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if not _may_write_secrets(request):
            form.base_fields.pop("credentials", None)
        return form

    def save_model(self, request: HttpRequest, obj: Gateway, form: Any, change: Any) -> None:
        """Save, and write the limit to Redis; without Redis it follows within ten seconds of its return."""
        super().save_model(request, obj, form, change)
        with redis_may_be_away("a gateway's limit is not in force yet", gateway=obj.pk) as absence:
            limits.publish_one(for_web(), obj)
        if absence.is_so:
            messages.warning(request, _("Saved. Redis does not answer; the limit is in force when it does."))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The only adapter is chosen already."""
        return {"adapter": "json", **super().get_changeform_initial_data(request)}


def _may_write_secrets(request: HttpRequest) -> bool:
    return getattr(request.user, "role", None) == Role.ADMINISTRATOR
