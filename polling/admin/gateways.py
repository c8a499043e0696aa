"""The admin page for gateways, together with what each gateway does now."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from carriers.admin import GatewayAdmin
from carriers.models import Gateway
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.observe import gateway_states, slot_needs
from polling.observe.gateway_states import GatewayStatus

admin.site.unregister(Gateway)


@admin.register(Gateway)
class MonitoredGatewayAdmin(GatewayAdmin):
    """The list shows the state of each gateway, and a gateway's page also why calls have failed."""

    list_display = (*GatewayAdmin.list_display[:2], "state", *GatewayAdmin.list_display[2:])
    readonly_fields = ("state", "needed", "calls", "failures")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        # Read the states of all rows of the page at once.
        shown = super().get_changelist_instance(request)
        statuses = gateway_states.read(list(shown.result_list))
        for gateway in shown.result_list:
            gateway.status = statuses[gateway.pk]
        return shown

    @admin.display(description=gettext_lazy("state"))
    def state(self, gateway: Gateway) -> str:
        """Return the state in one sentence."""
        return _status(gateway).words if gateway.pk else "-"

    @admin.display(description=gettext_lazy("concurrent calls needed"))
    def needed(self, gateway: Gateway) -> str:
        """Return how many slots the gateway's checks need at its latency, or "-" if not known."""
        need = None
        with degraded_without_redis("needed slots are not shown"):
            need = slot_needs.read(for_web()).by_gateway.get(gateway.pk)
        if need is None or need.slots is None:
            return "-"
        return _("%(slots)s, for %(calls)s calls/s") % {
            "slots": need.slots,
            "calls": f"{need.calls_per_second:,.1f}",
        }

    @admin.display(description=gettext_lazy("calls"))
    def calls(self, gateway: Gateway) -> str:
        """Return how many calls were answered, and how many failed."""
        if not gateway.pk:
            return "-"
        calls = _status(gateway).calls
        return _("%(answered)s answered, %(failed)s failed") % {
            "answered": f"{calls.answered:,}",
            "failed": f"{calls.failed:,}",
        }

    @admin.display(description=gettext_lazy("recent failures"))
    def failures(self, gateway: Gateway) -> Any:
        """Return the reasons why calls have failed, the most frequent first."""
        failures = _status(gateway).calls.failures if gateway.pk else {}
        lines = ((f"{calls:,}", reason) for reason, calls in failures.items())
        return format_html_join("", "<div>{}: {}</div>", lines) or "-"


def _status(gateway: Gateway) -> GatewayStatus:
    """Return the status of the gateway. Keep it, because a page shows several parts of it."""
    kept = vars(gateway).get("status")
    if kept is None:
        kept = vars(gateway)["status"] = gateway_states.read([gateway])[gateway.pk]
    return kept
