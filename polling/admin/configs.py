"""The admin pages of polling configs. They show the load that the configs cause, and dry runs of drafts."""

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
    """Polling configs, which say how often each kind of card is checked."""

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
        """Return the number of cards that meet the conditions of the config.

        For some of these cards, a config with a smaller priority number may decide instead.
        """
        return f"{vars(config)['matched']:,}"

    @admin.display(description=_("checks"))
    def checks(self, config: PollingConfig) -> str:
        """Return the config's intervals in words. Omit checks that the config leaves to other configs."""
        intervals = ((check_type, config.interval_of(check_type)) for check_type in CheckType)
        return ", ".join(
            f"{check_type.label}: {_('every %d s') % seconds if seconds else _('off')}"
            for check_type, seconds in intervals
            if seconds is not None
        )

    def get_urls(self) -> list[Any]:
        """Return the usual URLs and two for dry runs: of a new config, and of an existing config."""
        view = self.admin_site.admin_view(self.dry_run_view)
        return [
            path("dry-run/", view, name="polling_pollingconfig_dry_run_new"),
            path("<path:object_id>/dry-run/", view, name="polling_pollingconfig_dry_run"),
            *super().get_urls(),
        ]

    def dry_run_view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """Return a page that shows what saving the submitted form would change. Nothing is saved.

        Raise Http404 if the config does not exist. Raise PermissionDenied if the user may not save the form
        or may not see all cards.
        """
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:polling_pollingconfig_changelist"))
        config = self.get_object(request, unquote(object_id)) if object_id else None
        if object_id and config is None:
            raise Http404
        allowed = self.has_change_permission(request, config) if config else self.has_add_permission(request)
        # The page shows example cards of all agents, so the user must be allowed to see every card.
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
        """Return the change list.

        The number of cards that a config matches is stored in the config's attribute `matched`. The load of
        all configs together is stored in the change list's attribute `demands`.
        """
        changes = super().get_changelist_instance(request)
        card_counts = census.cards_by_group()
        for config in changes.result_list:
            vars(config)["matched"] = matched_cards(config, card_counts)
        vars(changes)["demands"] = self._demands(request, card_counts)
        return changes

    def save_model(self, request: HttpRequest, obj: PollingConfig, form: Any, change: Any) -> None:
        """Save the config, and tell the user that the affected cards are being rescheduled.

        Warn about each check that by itself needs more calls per second than a gateway allows.
        """
        super().save_model(request, obj, form, change)
        self._announce_rescheduling(request)
        for load in self._demands(request, census.cards_by_group()):
            if load.is_too_much:
                text = _(
                    "'%(check)s' alone asks %(gateway)s for %(wanted).1f calls a second, but the gateway allows "
                    "%(allowed)d: checks will be late."
                )
                values = {
                    "gateway": load.gateway,
                    "wanted": load.calls_per_second,
                    "check": load.check_type.label,
                    "allowed": load.gateway.calls_per_second if load.gateway else 0,
                }
                messages.warning(request, text % values)

    def delete_model(self, request: HttpRequest, obj: PollingConfig) -> None:
        super().delete_model(request, obj)
        self._announce_rescheduling(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PollingConfig]) -> None:
        super().delete_queryset(request, queryset)
        self._announce_rescheduling(request)

    @staticmethod
    def _announce_rescheduling(request: HttpRequest) -> None:
        messages.info(request, _("The affected cards are being rescheduled in the background."))

    def _demands(self, request: HttpRequest, card_counts: Mapping[Group, int]) -> list[Demand]:
        """Return the load of each check at each gateway; an empty list if the user may not see all cards."""
        if not self.sees_everything(request):
            return []
        snapshot = ConfigSnapshot.read()
        return demand(card_counts, snapshot.configs, snapshot)
