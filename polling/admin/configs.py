"""Polling configs in the admin: with what they ask for, and what a draft would change."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin
from cards.models import CheckType
from polling.models import PollingConfig
from polling.policy import census
from polling.policy.card_reader import Group
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.demand import Demand, demand
from polling.policy.dry_run import dry_run, matched_cards


@admin.register(PollingConfig)
class PollingConfigAdmin(ScopedAdmin[PollingConfig]):
    """Which cards are checked how often."""

    list_display = (
        "name",
        "priority",
        "is_enabled",
        "matched_cards",
        "card_condition",
        "card_category",
        "carrier",
        "checks",
    )
    list_select_related = ("carrier",)
    list_filter = ("is_enabled", "card_condition", "card_category")
    search_fields = ("name",)
    ordering = ("priority", "id")

    @admin.display(description=_("cards matched"))
    def matched_cards(self, config: PollingConfig) -> str:
        """By the census; whether it decides for them is up to the priorities."""
        return f"{vars(config)['matched']:,}"

    @admin.display(description=_("checks"))
    def checks(self, config: PollingConfig) -> str:
        """What it says of each check; of some it says nothing."""
        said = ((check_type, config.interval_of(check_type)) for check_type in CheckType)
        return ", ".join(
            f"{check_type.label}: {_('every %d s') % seconds if seconds else _('off')}"
            for check_type, seconds in said
            if seconds is not None
        )

    def get_urls(self) -> list[Any]:
        """The usual pages, and the dry run of a new config and of one that exists."""
        view = self.admin_site.admin_view(self.dry_run_view)
        return [
            path("dry-run/", view, name="polling_pollingconfig_dry_run_new"),
            path("<path:object_id>/dry-run/", view, name="polling_pollingconfig_dry_run"),
            *super().get_urls(),
        ]

    def dry_run_view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """What the form that was sent would change. Nothing is saved."""
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:polling_pollingconfig_changelist"))
        config = self.get_object(request, unquote(object_id)) if object_id else None
        if object_id and config is None:
            raise Http404
        allowed = self.has_change_permission(request, config) if config else self.has_add_permission(request)
        # It shows cards of the whole fleet.
        if not (allowed and self.sees_everything(request)):
            raise PermissionDenied
        form = self.get_form(request, config, change=config is not None)(request.POST, instance=config)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Dry run of '%s'") % form.data.get("name", ""),
            "form": form,
            "result": dry_run(form.instance) if form.is_valid() else None,
        }
        return TemplateResponse(request, "admin/polling/pollingconfig/dry_run.html", context)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with what the census says of each config, and of all of them together."""
        changes = super().get_changelist_instance(request)
        counted = census.counted()
        for config in changes.result_list:
            vars(config)["matched"] = matched_cards(config, counted)
        vars(changes)["demands"] = self._demands(request, counted)
        return changes

    def save_model(self, request: HttpRequest, obj: PollingConfig, form: Any, change: Any) -> None:
        """Save, and say when it takes effect, and where it asks for too much."""
        super().save_model(request, obj, form, change)
        self._say_planned(request)
        for one in self._demands(request, census.counted()):
            if one.is_too_much:
                text = _(
                    "%(gateway)s is asked for %(wanted).1f calls a second by '%(check)s' alone, and takes "
                    "%(allowed)d: checks will be late."
                )
                values = {
                    "gateway": one.gateway,
                    "wanted": one.calls_per_second,
                    "check": one.check_type.label,
                    "allowed": one.gateway.calls_per_second if one.gateway else 0,
                }
                messages.warning(request, text % values)

    def delete_model(self, request: HttpRequest, obj: PollingConfig) -> None:
        """Delete, and say when it takes effect."""
        super().delete_model(request, obj)
        self._say_planned(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PollingConfig]) -> None:
        """The same for several."""
        super().delete_queryset(request, queryset)
        self._say_planned(request)

    @staticmethod
    def _say_planned(request: HttpRequest) -> None:
        messages.info(request, _("The cards that this concerns are now planned anew, in the background."))

    def _demands(self, request: HttpRequest, counted: Mapping[Group, int]) -> list[Demand]:
        """Of the whole fleet, for those who see it."""
        if not self.sees_everything(request):
            return []
        snapshot = ConfigSnapshot.read()
        return demand(counted, snapshot.configs, snapshot)
